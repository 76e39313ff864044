"""What one question moves through the stages, and what a model may say, has an end."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np
import pytest

from rag.jobs.scripts import dumped
from rag.model import Answer, Candidate, Citation, Embedding, Hit, Passage
from rag.model.bounds import BETWEEN_STAGES, LONGEST_PASSAGE, beginning, bounded, shown_hits
from rag.ports import GenerationRequest
from tasks.answer.results import result_of
from tasks.reindex.comparison import Sample
from tasks.stages import artefacts
from workers.generation.conversation import Conversation, Speaker
from workers.generation.extractive import ExtractiveGenerator
from workers.generation.reasoning import Piece


def hit(text: str, n: int = 0) -> Hit:
    return Hit(Passage(f"c{n}", "d", 1, n, text, "Title", 100, 100 + len(text)), 0.9)


def laden(found: Hit, headings: tuple[str, ...] = (), **metadata: str) -> Hit:
    return Hit(replace(found.passage, headings=headings, metadata=metadata), found.score)


def asked(*hits: Hit, cancelled: bool = False) -> GenerationRequest:
    query = Embedding(np.zeros(4, np.float32))
    return GenerationRequest(
        "When was it?", query, tuple(map(Candidate, hits)), emit=lambda _: None, cancelled=lambda: cancelled
    )


def test_passages_of_this_version_stay_as_they_are() -> None:
    hits = [hit("A passage of a usual length. " * 60, n) for n in range(1000)]

    assert bounded(hits) == hits


def test_a_passage_with_megabytes_of_white_space_is_cut_and_cited_exactly() -> None:
    text = "Built" + " " * 20_000_000 + "in 1889."

    (short,) = bounded([hit(text)])

    assert short.passage.text == "Built"
    assert (short.passage.start, short.passage.end) == (100, 105)


def test_all_hits_of_a_question_have_a_bound_together() -> None:
    hits = bounded([hit("x" * 20_000, n) for n in range(1000)])

    assert len(hits) == 1000
    assert BETWEEN_STAGES * 0.9 < len(artefacts.pack_hits(hits)) <= BETWEEN_STAGES


@pytest.mark.parametrize("text", ["\u0001", "\\", '"', "水", "🦉", "\ud800", "x水\\\u0001🦉"])
@pytest.mark.parametrize("top_n", [1, 10, 200])
def test_a_result_takes_about_a_megabyte_whatever_is_found(text: str, top_n: int) -> None:
    metadata = {"note": beginning(text * 16_000, 16_000)}
    found = [laden(hit(text * 20_000, n), headings=(text * 9_000,) * 40, **metadata) for n in range(top_n)]
    citations = tuple(
        Citation(n, each.passage, 100, 100 + len(each.passage.text), each.passage.text, 0.5)
        for n, each in enumerate(found[:10], 1)
    )
    answer = Answer(text * 1_000_000, citations, reasoning=text * 1_000_000)

    result = result_of(found, ("tiny", answer), collection="docs")

    assert len(dumped(result).encode()) <= 1.1 * 2**20
    assert json.loads(dumped(result)) == result
    assert len(result["citations"]) == min(top_n, 10)
    assert 0 < len(result["hits"]) <= top_n
    assert all(each["end"] - each["start"] == len(each["text"]) for each in result["hits"])


def test_short_texts_stay_whole_where_long_ones_are_cut() -> None:
    hits = shown_hits([hit("short", 0), *(hit("x" * 16_000, n) for n in range(1, 100))])

    assert hits[0].passage.text == "short"
    assert len({hits[n].passage.text for n in range(1, 99)}) == 1


def test_hits_with_much_metadata_leave_out_the_last_ones() -> None:
    found = [laden(hit("Some words.", n), note="x" * 16_000) for n in range(1000)]

    kept = bounded(found)

    assert kept == found[: len(kept)]
    assert 400 < len(kept) < 600
    assert len(artefacts.pack_hits(kept)) <= BETWEEN_STAGES


def test_a_sentence_of_a_sample_is_taken_from_the_beginning_of_a_long_passage() -> None:
    long = "The tower was built in the year 1889 for a fair. " + "|-" * 10_000_000

    sample = Sample().with_passages([hit(long).passage])

    assert [each.sentence for each in sample.specimens] == [
        "The tower was built in the year 1889 for a fair."
    ]


def test_a_cancelled_question_reads_no_passage() -> None:
    generator = ExtractiveGenerator(min_relevance=0)
    request = asked(hit("It was built in 1889."), cancelled=True)

    assert not generator.answer(request).found


def test_a_model_that_never_ends_is_cut_off() -> None:
    async def endless() -> AsyncGenerator[Piece, None]:
        while True:
            yield Piece("words " * 10_000)

    request = asked(hit("words " * 10))
    passages = tuple(candidate.hit for candidate in request.passages)

    answer = Conversation(Speaker("tiny", endless, timeout=120), passages, request).answer()

    assert LONGEST_PASSAGE < len(answer.text) <= 1_000_010
