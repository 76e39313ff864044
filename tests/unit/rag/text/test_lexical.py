import math
import subprocess
import sys

import numpy as np
import pytest

from rag.model import SparseVector
from rag.text.lexical import AVERAGE_TERMS, K1, B, encode_passage, encode_question, term_counts


def score(question: str, passage: str) -> float:
    """What an engine computes, every idf being 1."""
    asked, there = encode_question(question), encode_passage(passage)
    shared, left, right = np.intersect1d(asked.indices, there.indices, return_indices=True)
    return float(asked.values[left] @ there.values[right]) if len(shared) else 0.0


def assert_well_formed(vector: SparseVector) -> None:
    assert vector.indices.dtype == np.uint32
    assert vector.values.dtype == np.float32
    assert vector.indices.shape == vector.values.shape
    assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
    assert np.isfinite(vector.values).all()
    assert (vector.values > 0).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "the of and",
        "Plain words, twice: words.",
        "naïve café",
        "東京都",
        "\ud800 lone",
        "🙂",
        "a\x00b" * 9,
    ],
)
def test_any_text_gives_a_well_formed_vector(text: str) -> None:
    assert_well_formed(encode_passage(text))
    assert_well_formed(encode_question(text))


def test_passage_weight_is_bm25() -> None:
    # given a passage of four terms, one of them twice
    passage = encode_passage("engine boiler engine piston")
    # then the repeated term has BM25's saturated frequency
    length = 1 - B + B * 4 / AVERAGE_TERMS
    expected = sorted([2 * (K1 + 1) / (2 + K1 * length)] + [(K1 + 1) / (1 + K1 * length)] * 2)
    assert sorted(passage.values.tolist()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("connected engines", "The engine is connecting."),
        ("cafe", "Ein Café in Wien"),
        ("CAFÉ", "cafe"),
        ("top_k", "TOP_K_RETRIEVAL=10"),
        ("Москва", "город москва"),
        ("東京", "私は東京都に住んでいます"),
        ("한국어", "저는 한국어를 공부합니다"),
        ("हिन्दी", "यह हिन्दी में है"),
        ("Größe", "die grosse GRÖSSE"),
    ],
)
def test_terms_meet_across_forms(question: str, passage: str) -> None:
    assert score(question, passage) > 0


def test_stop_words_and_other_words_do_not_meet() -> None:
    assert score("what is the", "the answer is what it is") == 0
    assert score("engine", "boiler") == 0


def test_a_repeated_question_word_counts_once() -> None:
    assert encode_question("rain rain rain").values.tolist() == [1.0]


def test_ids_are_the_same_in_another_process() -> None:
    text = "Deterministic ids over processes"
    code = f"from rag.text.lexical import encode_passage; print(encode_passage({text!r}).indices.tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(encode_passage(text).indices.tolist())


def test_long_passages_saturate() -> None:
    once, often = (encode_passage("word " * n).values[0] for n in (1, 10_000))
    assert once < often < K1 + 1
    assert math.isclose(term_counts("word " * 10_000).total(), 10_000)
