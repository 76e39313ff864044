"""What one question moves through the stages, and what a model may say, has an end."""

from collections.abc import AsyncGenerator

import numpy as np

from rag.bounds import LONGEST_PASSAGE, bounded
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from tasks.sampling import Sample
from workers.generation.conversation import Conversation, Speaker
from workers.generation.extractive import ExtractiveGenerator
from workers.generation.thoughts import Piece


def hit(text: str, n: int = 0) -> Hit:
    return Hit(Passage(f"c{n}", "d", 1, n, text, "Title", 100, 100 + len(text)), 0.9)


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
    assert sum(len(each.passage.text) for each in hits) <= 4 << 20


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
