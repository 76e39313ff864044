"""The extractive generator on real token vectors, and the choice of a generator by settings."""

import os
import time

import pytest

from rag.errors import ModelError
from rag.model import Candidate, Hit, Passage
from rag.ports import GenerationRequest
from rag.settings import Settings
from workers.embedding.bundled import BundledEmbedder
from workers.generation import generator_for

PASSAGE = (
    "The bridge links both halves of the town. Before it was opened in 1894, people crossed by ferry. "
    "Its two towers are 65 metres tall. A museum inside them explains how the steam engines raised the road."
)


@pytest.fixture(scope="module")
def embedder() -> BundledEmbedder:
    made = BundledEmbedder(Settings().model_dir, threads=1)
    try:
        made.warm()
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the bundled model is not built here: {error}")
    return made


@pytest.mark.parametrize(
    ("question", "answer", "quotes"),
    [
        ("What is the height of the towers?", "65 metres", 1),
        ("When could the public first use the bridge?", "1894", 2),
        # no word is shared, so no sentence stands out
        ("How did folk get to the other side earlier?", "ferry", 3),
    ],
)
def test_the_sentence_that_means_what_is_asked(
    embedder: BundledEmbedder, question: str, answer: str, quotes: int
) -> None:
    vectors = embedder.embed_passages([PASSAGE])[0]
    hit = Hit(Passage("c", "d", 1, 0, PASSAGE, "Bridge", 0, len(PASSAGE)), 0.9)
    (query,) = embedder.embed_queries([question])
    passages = (Candidate(hit, vectors.dense, vectors.tokens),)
    generator = generator_for(Settings(generator="extractive"))
    generator.warm()
    began = time.perf_counter()

    given = generator.answer(GenerationRequest(question, query, passages, lambda _: None, lambda: False))

    assert any(answer in citation.text for citation in given.citations)
    assert len(given.citations) <= quotes
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "extractive"),
        ({"ollama_url": "http://127.0.0.1:1"}, "ollama"),
        ({"generator_url": "http://127.0.0.1:1/v1/"}, "openai"),
        ({"generator": "smollm2"}, "smollm2"),
    ],
)
def test_settings_choose_the_generator(settings: dict[str, str], name: str) -> None:
    assert generator_for(Settings(**settings)).name == name
