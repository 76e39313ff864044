"""The answer to a question, and its citations."""

from dataclasses import dataclass
from enum import StrEnum

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


class Reason(StrEnum):
    """Why a question has no answer from the documents.

    ``DIFFERS_IN``: the passages lack a name, version, year or the like that the question has. ``NOT_STATED``:
    they are about its subject, and do not say what it asks for. ``UNCITED``: a model wrote a text that is in
    no passage.
    """

    NO_PASSAGES = "no_passages"
    NOTHING_ASKED = "nothing_asked"
    UNRELATED = "unrelated"
    DIFFERS_IN = "differs_in"
    NOT_STATED = "not_stated"
    MODEL_DECLINED = "model_declined"
    UNCITED = "uncited"


@dataclass(frozen=True, slots=True)
class Refusal:
    """``lacking``: with ``DIFFERS_IN``, what the passages lack, as the question has it."""

    reason: Reason
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """``refusal``: why the documents do not answer; then there are no citations. None: they do.

    ``reasoning``: what a reasoning model wrote before the answer; it is no part of the answer.
    """

    text: str
    citations: tuple[Citation, ...]
    refusal: Refusal | None = None
    reasoning: str = ""

    @property
    def found(self) -> bool:
        """Whether the documents answer."""
        return self.refusal is None
