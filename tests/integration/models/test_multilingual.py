"""The bundled multilingual model: built from the released weights, it answers across languages."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from rag.errors import ModelError
from rag.model import Candidate, Hit, Passage
from rag.ports import RerankRequest
from rag.settings import Settings
from workers.bundled.models import E5
from workers.bundled.release import ModelFiles
from workers.embedding.e5.build import LEAST_COSINE, LEAST_MEAN_COSINE
from workers.embedding.e5.tokenizer import token_ids
from workers.embedding.multilingual import MultilingualEmbedder
from workers.reranking import reranker_for, unrelated_below
from workers.setup import build_models

SETTINGS = Settings(embedding_model=E5.name)
HOUSE = (
    "The lift in the east wing is out of service until 14 March.",
    "Rubbish is collected on Tuesdays and Fridays before seven in the morning.",
    "Residents must not keep dogs heavier than fifteen kilograms.",
    "The laundry room on the ground floor opens at 6 am and closes at 10 pm.",
    "Smoke alarms are tested on the first Monday of each month.",
    "A lost key is replaced for a fee of 35 euros.",
    "Bicycles belong in the racks behind the building, not in the stairwell.",
    "The roof terrace holds at most forty people.",
)
LIFT, RUBBISH, DOGS, KEY = HOUSE[0], HOUSE[1], HOUSE[2], HOUSE[5]


@pytest.fixture(scope="module")
def model_dir() -> Path:
    try:
        build_models(SETTINGS, SETTINGS.model_dir, lambda _: None)
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the multilingual model cannot be built here: {error}")
    return SETTINGS.model_dir


@pytest.fixture(scope="module")
def embedder(model_dir: Path) -> MultilingualEmbedder:
    return MultilingualEmbedder(model_dir)


def passage(text: str) -> Passage:
    return Passage(text, "d", 1, 0, text, "", 0, len(text))


def relevances(embedder: MultilingualEmbedder, question: str, texts: Sequence[str]) -> dict[str, float]:
    (query,) = embedder.embed_queries([question])
    embedded = zip(texts, embedder.embed_passages(texts), strict=True)
    weight = 20 * embedder.vote(question)
    found = [
        Candidate(Hit(passage(t), weight * float(query.dense @ e.dense)), e.dense, e.tokens)
        for t, e in embedded
    ]
    found.sort(key=lambda each: -each.hit.score)
    request = RerankRequest(question, query, tuple(found), embedder.name)
    rated = reranker_for(SETTINGS).relevance([request])[0]
    return {each.hit.passage.text: score for each, score in zip(found, rated, strict=True)}


def test_the_manifest_tells_how_near_fp32_the_model_is(model_dir: Path) -> None:
    cosine = json.loads(E5.files(model_dir).manifest.read_bytes())["cosine_to_fp32"]

    assert LEAST_MEAN_COSINE <= cosine["mean"] < 1
    assert LEAST_COSINE <= cosine["least"] < 1


def test_the_tokenizer_is_xlm_rs(model_dir: Path) -> None:
    # given ids that XLM-R's own tokenizer gives for this text
    tokenizer = Tokenizer.from_buffer(E5.files(model_dir).tokenizer.read_bytes())

    assert tokenizer.get_vocab_size() == 250_002
    assert token_ids(tokenizer, "query", "Hello world!") == [0, 41, 1294, 12, 35378, 8999, 38, 2]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Was kostet ein verlorener Schlüssel?", KEY),
        ("¿Cuánto cuesta reponer una llave perdida?", KEY),
        ("Когда вывозят мусор?", RUBBISH),
        ("كم وزن الكلب المسموح به؟", DOGS),
        ("什么时候收垃圾？", RUBBISH),
    ],
)
def test_given_a_question_in_another_language_then_the_passage_that_answers_is_first_and_not_refused(
    embedder: MultilingualEmbedder, question: str, answer: str
) -> None:
    rated = relevances(embedder, question, HOUSE)

    assert max(rated, key=rated.__getitem__) == answer
    assert rated[answer] > unrelated_below(SETTINGS)


@pytest.mark.parametrize(
    "question",
    [
        "Wer hat die Relativitätstheorie entwickelt?",
        "¿Qué países bañan el mar Caspio?",
        "Сколько планет в Солнечной системе?",
    ],
)
def test_given_a_question_about_something_else_then_it_is_turned_away(
    embedder: MultilingualEmbedder, question: str
) -> None:
    assert max(relevances(embedder, question, HOUSE).values()) < unrelated_below(SETTINGS)


def test_given_english_on_both_sides_then_the_english_models_judge(embedder: MultilingualEmbedder) -> None:
    rated = relevances(embedder, "When will the elevator work again?", HOUSE)

    assert max(rated, key=rated.__getitem__) == LIFT
    assert rated[LIFT] > unrelated_below(SETTINGS)
    assert max(relevances(embedder, "Who wrote Hamlet?", HOUSE).values()) < unrelated_below(SETTINGS)


def test_given_threads_then_no_vector_changes(model_dir: Path) -> None:
    texts = [f"Text Nummer {n} über {'Maschinen ' * n}" for n in range(8)]

    alone, together = (MultilingualEmbedder(model_dir, threads=n).embed_passages(texts) for n in (1, 3))

    assert all(np.array_equal(a.dense, b.dense) for a, b in zip(alone, together, strict=True))


def test_given_a_broken_file_then_it_is_told_what_to_do(model_dir: Path, tmp_path: Path) -> None:
    whole = E5.files(model_dir)
    broken = ModelFiles(tmp_path / whole.folder.name)
    broken.folder.mkdir()
    for file in (whole.tokenizer, whole.manifest):
        (broken.folder / file.name).write_bytes(file.read_bytes())
    broken.model.write_bytes(bytes(whole.model.stat().st_size))

    with pytest.raises(ModelError, match="EMBEDDING_MODEL=multilingual-e5-small and run `aegis setup`"):
        MultilingualEmbedder(tmp_path).embed_queries(["Wo?"])
