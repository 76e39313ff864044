"""The roles that parse, cut, embed, rerank and answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rag.model import (
    Answer,
    Attachment,
    Candidate,
    Chunk,
    CutDocument,
    Embedding,
    ParsedDocument,
    TextLine,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Parser(Protocol):
    """Turns a file's bytes into text with its structure, and into passages."""

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        """The document's text. Raises a DocumentError that tells the owner what is wrong with it."""
        ...

    def cut(
        self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> CutDocument:
        """Parse the document, and cut it as a ``Chunker`` does.

        ``given_up`` is called often; soon after it returns True, TimedOut is raised.
        """
        ...

    def attachments(
        self, data: bytes, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> Sequence[Attachment]:
        """The files in a mail, in order. Raises as ``cut`` does."""
        ...

    def warm(self) -> None: ...

    def close(self) -> None:
        """End the processes that read files, if there are any. Safe to call twice."""
        ...


class Recogniser(Protocol):
    """Recognises text in pictures."""

    def recognise(self, page: "NDArray[np.uint8]") -> Sequence[TextLine]:
        """The lines of text of a picture (height, width, RGB), in any order."""
        ...


class Chunker(Protocol):
    """Cuts text into passages that fit the embedding model in use."""

    name: str
    """Changes whenever the same document would be cut differently."""

    def chunk(self, document: ParsedDocument) -> Sequence[Chunk]:
        """The passages in order, with ``document.text[c.start:c.end] == c.text``. EmptyDocument if none."""
        ...

    def warm(self) -> None: ...


class Embedder(Protocol):
    """Turns texts into vectors. A question's vector does not depend on the other questions of its call."""

    name: str
    dimension: int
    max_tokens: int
    """Tokens of a text that the model reads; it ignores the rest."""

    @property
    def recipe(self) -> str:
        """Changes whenever a model of the same name may give a text other vectors than before."""
        ...

    independent: bool
    """Whether a passage's vector depends on its text alone.

    False: it depends on the other passages of the call too, which must be those of one document, in order.
    """

    @property
    def token_dimension(self) -> int | None:
        """Columns of ``Embedding.tokens``; None where the model gives none."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding a text, in order."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding a question, in order, with ``weights`` where ``tokens`` are given."""
        ...

    def vote(self, question: str) -> float:
        """How much the vectors count beside the words: less in a language that the model hardly reads.

        1 is what an English model's count for English. A model whose cosines lie closer together has more.
        """
        ...

    def warm(self) -> None:
        """Load and try the model. Raises ModelError or Transient when it cannot serve."""
        ...


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A question, its embedding, and the candidates to rate. ``model``: what embedded them; "" if unknown."""

    question: str
    query: Embedding
    candidates: tuple[Candidate, ...]
    model: str = ""


class Reranker(Protocol):
    """Rates how relevant candidates are to a question."""

    name: str
    reads_vectors: bool
    """True: candidates should carry ``dense`` and ``tokens`` where the store has them."""
    least_candidates: int
    """So many are retrieved even for a smaller ``top_k``, where rating more costs almost nothing."""

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        """For each request, the relevance of its candidates in order, in [0, 1].

        It estimates the probability that the candidate answers the question.
        """
        ...

    def warm(self) -> None: ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """``passages``: best first; the scores of their hits are relevance in [0, 1].

    ``emit`` is called with each piece of the answer; ``cancelled`` is called often.
    """

    question: str
    query: Embedding
    passages: tuple[Candidate, ...]
    emit: Callable[[str], None]
    cancelled: Callable[[], bool]


class Generator(Protocol):
    name: str
    reads_vectors: bool
    """True: passages must carry ``tokens`` where the store has them."""

    def answer(self, request: GenerationRequest) -> Answer:
        """An answer whose every ``[n]`` is a citation, or an honest "not found"."""
        ...

    def warm(self) -> None: ...
