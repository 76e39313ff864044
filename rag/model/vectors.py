"""Embeddings, the points that carry them, and the queries and hits of searches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rag.model.values import Json, Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights: ``indices`` (uint32, unique, ascending) and as many ``values`` (float32)."""

    indices: "NDArray[np.uint32]"
    values: Vector


@dataclass(frozen=True, slots=True)
class Embedding:
    """One text as a model embeds it.

    dense: (dimension,) float32, unit length.
    tokens: (tokens, token_dimension) float16, rows of unit length, or None where the
        model gives none (then reranking has to read the text).
    weights: (tokens,) float32, how much each query token counts; None on passages.
    """

    dense: Vector
    tokens: "NDArray[np.float16] | None" = None
    weights: Vector | None = None


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """The layout of a collection in a vector store; ``token_dimension`` None: it has no token vectors."""

    dimension: int
    token_dimension: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What a point carries beside its vectors; ``chunk_id`` is the point id (a UUID string).

    ``confidence``: that of its :class:`Chunk`. ``searched_title``: the title that was given, or
    that the name of the document's file gives; its words stand nowhere in the text. "" without one.
    """

    chunk_id: str
    document_id: str
    version: int
    index: int
    text: str
    title: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    confidence: float | None = None
    searched_title: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    passage: Passage
    dense: Vector
    sparse: SparseVector
    tokens: "NDArray[np.float16] | None" = None


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    document_id: str
    version: int


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A hybrid query. ``where`` is a filter on metadata, ``exclude`` hides stale versions.

    ``vote``: how much the dense vectors count beside the words; 1: as those of an English model for English.
    """

    dense: Vector
    sparse: SparseVector
    limit: int
    where: Json = field(default_factory=dict)
    exclude: tuple[DocumentVersion, ...] = ()
    vote: float = 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage and its score; higher is better, comparable within one answer."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit that is to be reranked, with the vectors that a bundled reranker reads."""

    hit: Hit
    dense: Vector | None = None
    tokens: "NDArray[np.float16] | None" = None
