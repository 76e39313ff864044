import math
import subprocess
import sys

import numpy as np
import pytest

from rag.model import SparseVector
from rag.text.lexical import (
    AVERAGE_TERMS,
    K1,
    B,
    coverage,
    encode_passage,
    encode_question,
    question_features,
    term_counts,
    terms_of_parts,
)


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
    passage = encode_passage("the engine by boiler of the engine, of piston")
    # then the repeated term has BM25's saturated frequency, and stop words do not make it longer
    length = 1 - B + B * 4 / AVERAGE_TERMS
    once, twice = ((n * (K1 + 1) / (n + K1 * length)) for n in (1, 2))
    by_id = dict(zip(passage.indices.tolist(), passage.values.tolist(), strict=True))
    (engine,), (boiler,) = encode_question("the engine").indices, encode_question("the boiler").indices
    assert (by_id[engine], by_id[boiler]) == pytest.approx((twice, once))


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
        ("Wie hoch sind die Häuser?", "Das Haus ist zwölf Meter hoch und die Tür ist aus Holz."),
        ("Wo ist der Brandschutz?", "Die Brandschutzordnung ist in dem Ordner, und der Ordner ist rot."),
        ("в какой книге", "Книги лежат на столе"),
        ("المدرسة", "ذهب إلى مدرسة"),
        ("thời hạn báo trước", "Thời hạn báo trước là hai tháng."),
        ("vitamin A", "Cabinet 1 holds the vitamin A of the ward."),
        ("the US plant", "In the US they make gears."),
        ("who is it", "Who is it that calls?"),
        ("16411", "They paid 16,411 euros."),
        ("on 5 March 2024", "2024-03-05: delivered"),
        ("version 3.6", "3.6.4 fixes it"),
    ],
)
def test_terms_meet_across_forms(question: str, passage: str) -> None:
    assert score(question, passage) > 0


def test_stop_words_and_other_words_do_not_meet() -> None:
    assert score("what is the engine", "the answer is what it is") == 0
    assert score("engine", "boiler") == 0


def test_a_repeated_question_word_counts_once() -> None:
    assert encode_question("the rain, the rain").values.tolist() == [1.0]


def test_ids_are_the_same_in_another_process() -> None:
    text = "Deterministic ids over processes"
    code = f"from rag.text.lexical import encode_passage; print(encode_passage({text!r}).indices.tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(encode_passage(text).indices.tolist())


def test_long_passages_saturate() -> None:
    once, often = (encode_passage("the word " * n).values.max() for n in (1, 10_000))
    assert once < often < K1 + 1
    assert math.isclose(term_counts("the word " * 10_000).total(), 20_000)


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("What does release 3.6.4 fix?", "Release 3.6.4 fixes 12.", "Release 3.4.6 fixes 12, 6.3 and 4."),
        ("What does HK-1007/D cost?", "HK-1007/D costs 3.", "KH-1007/B, HK-1070/D and D 1007 cost 3."),
        ("Which host is 10.20.30.40?", "srv-1 is 10.20.30.40", "srv-2 is 10.30.20.40, srv-3 is 40.30.20.10"),
        ("Who paid on 5 March 2024?", "paid on 05.03.2024", "paid on 3 May 2024, the 5th of March 2023"),
        ("Where is vitamin A?", "Vitamin A: cabinet 1", "A vitamin is in a cabinet"),
        ("What does the US plant make?", "the US plant: gears", "the plant gives us gears"),
        ("Which series is 3.6?", "Series 3.6 begins.", "Series 3.6.4 begins."),
    ],
)
def test_what_is_written_exactly_weighs_more_than_its_parts(question: str, right: str, wrong: str) -> None:
    assert score(question, right) > score(question, wrong)


def test_coverage_is_the_share_of_what_is_asked() -> None:
    asked = question_features("What does release 3.6.4 fix?")
    shares = [
        coverage(asked, term_counts(text).keys())
        for text in ("Release 3.6.4 fixes it.", "Release 3.4.6 fixes it.", "Nothing at all.")
    ]
    assert shares[0] == 1.0 > shares[1] > shares[2] == 0.0
    assert coverage([], term_counts("text").keys()) == 0.0


def test_english_passages_have_no_stretches_of_letters() -> None:
    english, german = "The lighthouse keeper is here.", "Der Leuchtturmwärter ist nicht hier."
    assert len(term_counts(english)) == 5
    assert len(term_counts(german)) > 15


def test_words_with_the_same_beginning_meet_though_they_are_short_and_have_no_stem_in_common() -> None:
    question, there = "Wo ist das Bad?", "Die Badewanne ist nicht hier."
    assert score(question, there) > score(question, "Die Garage ist nicht hier.")


def test_parts_have_the_terms_of_the_language_of_the_whole() -> None:
    german = "Der Leuchtturmwärter ist nicht hier. Die Leuchttürme und der Hafen sind es."
    first, second = german.split(". ")

    whole, parts = term_counts(german).keys(), terms_of_parts(german, [first, second])

    assert parts[0] | parts[1] == whole
    assert parts[0] - parts[1]
