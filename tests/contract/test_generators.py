"""The ``Generator`` port over every implementation that runs here."""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from rag.errors import ModelError
from rag.model import Candidate, Embedding, Hit, Passage, Reason, Refusal
from rag.ports import GenerationRequest, Generator
from rag.settings import Settings
from workers.generation import generator_for, smollm2
from workers.generation.extractive import ExtractiveGenerator
from workers.generation.prompting import NOT_FOUND

TEXTS = {
    "Eiffel Tower": "The Eiffel Tower stands in Paris. It was completed in 1889. A firm in Paris built it.",
    "Steam": "Steam engines burn fuel outside the engine.[3] James Watt improved them in 1769.",
    "Backup": "# Backup\n\n- Run `aegis backup` to save **everything**.\n- Copies are kept for 30 days.",
}
QUESTION = "When was the Eiffel Tower completed?"


def word_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\w+", text)]


def word_vectors(text: str) -> np.ndarray:
    """A fixed pseudo-random unit vector for each word: the same word, the same vector."""
    rows = []
    for start, end in word_spans(text):
        seed = int.from_bytes(hashlib.sha256(text[start:end].lower().encode()).digest()[:4], "big")
        row = np.random.default_rng(seed).normal(size=64)
        rows.append(row / np.linalg.norm(row))
    return np.array(rows, dtype=np.float16)


def request(
    question: str,
    relevances: tuple[float, ...] = (0.9, 0.2, 0.1),
    emit: Callable[[str], None] = lambda piece: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> GenerationRequest:
    passages = tuple(
        Candidate(
            Hit(Passage(f"c{i}", f"d{i}", 1, 0, text, title, 1000, 1000 + len(text)), relevance),
            tokens=word_vectors(text),
        )
        for i, ((title, text), relevance) in enumerate(zip(TEXTS.items(), relevances, strict=False))
    )
    tokens = word_vectors(question)
    query = Embedding(np.zeros(4, np.float32), tokens, np.ones(len(tokens), np.float32))
    return GenerationRequest(question, query, passages, emit, cancelled)


@pytest.fixture(params=["extractive", "extractive by words", "smollm2"])
def generator(request: pytest.FixtureRequest) -> Generator:
    match request.param:
        case "extractive":
            made: Generator = ExtractiveGenerator(word_spans, min_relevance=0.45)
        case "extractive by words":
            made = ExtractiveGenerator(min_relevance=0.45)
        case _:
            made = smollm2.generator(request.getfixturevalue("smollm2_settings"))
    made.warm()
    return made


@pytest.mark.parametrize(
    "question",
    [QUESTION, "Who improved steam engines?", "How long are copies kept?", "What is the meaning of life?"],
)
def test_every_mark_is_a_citation_and_every_offset_exact(generator: Generator, question: str) -> None:
    answer = generator.answer(request(question, (0.6, 0.6, 0.6)))

    marks = [int(n) for n in re.findall(r"\[(\d+)\]", answer.text)]
    assert [c.n for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    assert set(marks) == {c.n for c in answer.citations}
    for citation in answer.citations:
        start, end = citation.start - citation.passage.start, citation.end - citation.passage.start
        assert citation.passage.text[start:end] == citation.text != ""
        assert citation.score == 0.6


def test_emitted_pieces_are_the_answer(generator: Generator) -> None:
    pieces: list[str] = []

    answer = generator.answer(request(QUESTION, emit=pieces.append))

    assert answer.found
    assert "".join(pieces) == answer.text
    assert all(pieces)


@pytest.mark.parametrize(
    ("question", "relevances", "refusal"),
    [
        (QUESTION, (), Refusal(Reason.NO_PASSAGES)),
        (QUESTION, (0.01, 0.01, 0.001), Refusal(Reason.UNRELATED)),
        ("Anything there?", (0.9,), Refusal(Reason.NOTHING_ASKED)),
        ("How high is the EX-200?", (0.01, 0.01, 0.001), Refusal(Reason.DIFFERS_IN, ("EX-200",))),
    ],
)
def test_not_found_is_honest_and_tells_why(
    generator: Generator, question: str, relevances: tuple[float, ...], refusal: Refusal
) -> None:
    pieces: list[str] = []

    answer = generator.answer(request(question, relevances, emit=pieces.append))

    assert (answer.text, answer.citations, answer.refusal) == (NOT_FOUND, (), refusal)
    assert pieces == [NOT_FOUND]


def test_cancelling_ends_within_a_second(generator: Generator) -> None:
    emitted: list[float] = []

    generator.answer(
        request(
            "Tell a very long story about the Eiffel Tower.",
            emit=lambda piece: emitted.append(time.monotonic()),
            cancelled=lambda: bool(emitted),
        )
    )

    assert time.monotonic() - emitted[0] < 1.0


def test_cancelling_before_the_first_word_ends_within_a_second(generator: Generator) -> None:
    asked: list[float] = []

    def cancelled() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 1

    began = time.monotonic()
    generator.answer(request(QUESTION * 100, (0.9, 0.9, 0.9), cancelled=cancelled))
    ended = time.monotonic()

    assert ended - (asked[1] if len(asked) > 1 else began) < 1.0


def test_the_same_question_gets_the_same_answer(generator: Generator) -> None:
    assert generator.answer(request(QUESTION)) == generator.answer(request(QUESTION))


def test_smollm2_listens_locally_and_asks_for_its_key(smollm2_settings: Settings) -> None:
    smollm2.generator(smollm2_settings).warm()
    key = smollm2.key_file(smollm2_settings)

    assert key.stat().st_mode & 0o777 == 0o600
    assert _status(smollm2_settings.smollm2_port, "wrong") == 401
    assert _status(smollm2_settings.smollm2_port, key.read_text()) == 200


class TestOpenAICompatible:
    """The same server by GENERATOR_URL, with a key and the model that it lists."""

    def test_answers_with_the_only_model_that_is_listed(self, smollm2_settings: Settings) -> None:
        pieces: list[str] = []
        generator = generator_for(by_address(smollm2_settings))
        generator.warm()

        answer = generator.answer(request(QUESTION, emit=pieces.append))

        assert generator.name == "openai"
        assert answer.text == "".join(pieces)
        assert len(pieces) > 1

    def test_cancelling_ends_within_a_second(self, smollm2_settings: Settings) -> None:
        emitted: list[float] = []
        generator = generator_for(by_address(smollm2_settings, generator_max_tokens=500))

        generator.answer(
            request(
                "Tell a very long story about the Eiffel Tower.",
                emit=lambda piece: emitted.append(time.monotonic()),
                cancelled=lambda: bool(emitted),
            )
        )

        assert time.monotonic() - emitted[0] < 1.0

    @pytest.mark.parametrize(
        ("others", "told"),
        [
            ({"generator_api_key": SecretStr("wrong")}, "GENERATOR_API_KEY"),
            ({"generator_api_key": None}, "GENERATOR_API_KEY"),
            ({"generator_model": "larger"}, "has smollm2; not larger"),
        ],
    )
    def test_a_wrong_setting_says_what_to_do(
        self, smollm2_settings: Settings, others: dict[str, object], told: str
    ) -> None:
        with pytest.raises(ModelError, match=told):
            generator_for(by_address(smollm2_settings, **others)).warm()


def by_address(local: Settings, **others: object) -> Settings:
    """Settings that know of the local server what anyone has to know, once it has started."""
    smollm2.generator(local).warm()
    known = {
        "generator": "openai",
        "generator_url": f"http://127.0.0.1:{local.smollm2_port}/v1/",
        "generator_api_key": SecretStr(smollm2.key_file(local).read_text()),
        "generator_max_tokens": 32,
    }
    return Settings(**{**known, **others})


def test_a_second_smollm2_on_the_port_says_what_to_do(smollm2_settings: Settings, tmp_path: Path) -> None:
    smollm2.generator(smollm2_settings).warm()
    environment = {
        **os.environ,
        "AEGIS_HOME": str(tmp_path),
        "SMOLLM2_PORT": str(smollm2_settings.smollm2_port),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "workers.generation.smollm2"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "SMOLLM2_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def _status(port: int, key: str) -> int:
    return httpx.get(
        f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {key}"}
    ).status_code
