"""Points to work with, and queries that find them."""

import numpy as np

from rag.model import CollectionSpec, Hit, Passage, Point, SearchQuery, SparseVector
from rag.naming import point_id

DIMENSION, TOKEN_DIMENSION = 8, 4
SPEC = CollectionSpec(DIMENSION, TOKEN_DIMENSION)
DOCS = "docs"
DENSE_WEIGHT = 20.0


def axis(number: int) -> np.ndarray:
    """A unit vector along one axis."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[number] = 1
    return vector


def sparse(**weights: float) -> SparseVector:
    """``t7=1.5``: term 7 with weight 1.5."""
    pairs = sorted((int(name[1:]), weight) for name, weight in weights.items())
    return SparseVector(
        np.array([index for index, _ in pairs], np.uint32),
        np.array([weight for _, weight in pairs], np.float32),
    )


def point(
    document: str, index: int = 0, *, version: int = 1, dense: np.ndarray | None = None, **more
) -> Point:
    fields = {"title": f"Title of {document}", "text": f"text {index} of {document} – ünïcode"} | {
        name: more.pop(name)
        for name in ("title", "text", "metadata", "page", "headings", "confidence")
        if name in more
    }
    passage = Passage(
        chunk_id=point_id(DOCS, document, version, index),
        document_id=document,
        version=version,
        index=index,
        start=index * 10,
        end=index * 10 + 9,
        **fields,
    )
    tokens = np.random.default_rng(index).normal(size=(3 + index % 4, TOKEN_DIMENSION)).astype(np.float16)
    return Point(
        passage,
        axis(index % DIMENSION) if dense is None else dense,
        more.get("terms", sparse(t1=1.0)),
        more.get("tokens", tokens),
    )


def query(dense: np.ndarray | None = None, terms: SparseVector | None = None, **more) -> SearchQuery:
    return SearchQuery(
        dense=axis(0) if dense is None else dense,
        sparse=sparse() if terms is None else terms,
        limit=more.pop("limit", 10),
        **more,
    )


def documents(hits: list[Hit]) -> list[str]:
    return [hit.passage.document_id for hit in hits]
