"""The answer to a question, and its citations."""

from dataclasses import dataclass

from rag.model.vectors import Passage


@dataclass(frozen=True, slots=True)
class Citation:
    """``[n]`` in the answer: characters ``start:end`` of the document's text, quoted in ``text``."""

    n: int
    passage: Passage
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """``found`` False: the documents do not hold the answer, and there are no citations.

    ``reasoning``: what a reasoning model wrote before the answer; it is no part of the answer.
    """

    text: str
    citations: tuple[Citation, ...]
    found: bool
    reasoning: str = ""
