"""What a question is answered with."""

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
    """``found`` False: an honest "not found", then there are no citations.

    ``reasoning``: what a model that thinks wrote before the answer, never part of it.
    """

    text: str
    citations: tuple[Citation, ...]
    found: bool
    reasoning: str = ""
