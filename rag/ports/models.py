"""The roles that read, cut, embed, weigh and answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.model import (
    Answer,
    Candidate,
    Chunk,
    CutDocument,
    Embedding,
    ParsedDocument,
)


class Parser(Protocol):
    """A file's bytes to text with its structure, and to passages."""

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        """Raises a DocumentError that tells the document's owner what is wrong with it."""
        ...

    def cut(
        self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> CutDocument:
        """Parsed, and cut as a ``Chunker`` does. TimedOut soon after ``given_up``, which is asked often."""
        ...

    def warm(self) -> None: ...


class Chunker(Protocol):
    """Text to passages that fit the embedding model in use."""

    name: str
    """Changes whenever the same document would be cut differently."""

    def chunk(self, document: ParsedDocument) -> Sequence[Chunk]:
        """In order of appearance, ``document.text[c.start:c.end] == c.text``; EmptyDocument for none."""
        ...

    def warm(self) -> None: ...


class Embedder(Protocol):
    """Texts to vectors. A question's vector never depends on the questions it is sent with."""

    name: str
    dimension: int
    max_tokens: int
    """Tokens of a text that the model reads; what comes after them counts for nothing."""

    @property
    def recipe(self) -> str:
        """Changes whenever a text may get other vectors than before by a model of the same name."""
        ...

    independent: bool
    """Whether a passage's vector depends on nothing but its text.

    False: also on the passages of its call, which are to be those of one document, in order.
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

    def warm(self) -> None:
        """Load and try the model. Raises ModelError or Transient when it cannot serve."""
        ...


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A question, its embedding, and the candidates to weigh."""

    question: str
    query: Embedding
    candidates: tuple[Candidate, ...]


class Reranker(Protocol):
    """Question and candidates to relevance."""

    name: str
    reads_vectors: bool
    """True: candidates should carry ``dense`` and ``tokens`` where the store has them."""
    least_candidates: int
    """So many are retrieved even for a smaller ``top_k``, where weighing more costs next to nothing."""

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        """Of each request's candidates, in order, the relevance in [0, 1]: about the chance to answer."""
        ...

    def warm(self) -> None: ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """``passages`` best first, their hits' scores being relevance in [0, 1].

    ``emit`` takes each piece of the answer as it comes; ``cancelled`` is asked often.
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
