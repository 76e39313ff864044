"""Collections with random vectors, so that tens of thousands of points are there in seconds.

They are written to the stores as ingestion does, but without models. So measurements on them
must not depend on the meaning of texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from time import time

import numpy as np
from numpy.typing import NDArray

from rag.model import Collection, CollectionSpec, Document, Passage, Point, SearchQuery, Vector
from rag.naming import point_id
from rag.text import lexical
from workers.tools import Tools

_WORDS = """
    lighthouse harbour granite ledger timber window orchard engine valley winter copper signal archive
    railway meadow lantern compass bridge market island kettle pilot river quarry saddle turbine violet
    wagon anchor barrel cellar dune ember ferry glacier hammock
    """.split()  # noqa: SIM905 - prose is easier to read than quoted words
_BATCH = 512


@dataclass(frozen=True)
class Library:
    """``documents`` documents of ``passages`` passages each, with ``tokens`` token vectors a passage.

    The same numbers make the same points.
    """

    collection: str
    documents: int
    passages: int
    tokens: int

    @property
    def points(self) -> int:
        return self.documents * self.passages

    def put(self, tools: Tools, first: int = 0) -> None:
        """Add the documents from number ``first`` on; the collection is made where there is none yet."""
        model, dimension = tools.settings.embedding_name, tools.settings.dimension
        width = tools.embedder(model, dimension).token_dimension
        collection, _ = tools.documents.put_collection(self.collection, model, dimension)
        tools.vectors.ensure(collection.store, CollectionSpec(dimension, width))
        at_once = max(1, _BATCH // self.passages)
        for start in range(first, self.documents, at_once):
            volumes = [self._volume(n) for n in range(start, min(self.documents, start + at_once))]
            points = [point for volume in volumes for point in volume.points(dimension, width)]
            tools.vectors.upsert(collection.store, points)
            for volume in volumes:
                volume.publish(tools, collection)

    def questions(self, dimension: int, count: int) -> Iterator[SearchQuery]:
        """``count`` queries, each near the first passage of one document."""
        for n in range(count):
            volume = self._volume(n * self.documents // count)
            sparse = lexical.encode_question(volume.texts[0])
            yield SearchQuery(volume.dense(dimension)[0], sparse, limit=10)

    @property
    def text(self) -> str:
        """The text of a passage, to ask with."""
        return self._volume(0).texts[0]

    def _volume(self, number: int) -> "_Volume":
        return _Volume(self, number)


@dataclass(frozen=True)
class _Volume:
    """One document of a library, version 1."""

    library: Library
    number: int

    @cached_property
    def name(self) -> str:
        return f"volume-{self.number:06}"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        random = np.random.default_rng((1, self.number))
        drawn = random.choice(_WORDS, (self.library.passages, 24))
        return tuple(f"Entry {self.number}-{index}: {' '.join(words)}." for index, words in enumerate(drawn))

    def dense(self, dimension: int) -> NDArray[np.float32]:
        """(passages, dimension), of unit length."""
        random = np.random.default_rng((2, self.number))
        return _unit(random.standard_normal((self.library.passages, dimension), np.float32))

    def points(self, dimension: int, width: int | None) -> Iterator[Point]:
        """``width``: the dimension of token vectors; None for none."""
        tokens, start = None, 0
        if width:
            random = np.random.default_rng((3, self.number))
            drawn = random.standard_normal((self.library.tokens, width), np.float32)
            tokens = _unit(drawn).astype(np.float16)
        for index, (text, dense) in enumerate(zip(self.texts, self.dense(dimension), strict=True)):
            chunk = point_id(self.library.collection, self.name, 1, index)
            passage = Passage(chunk, self.name, 1, index, text, self.name, start, start + len(text))
            yield Point(passage, dense, lexical.encode_passage(text), tokens)
            start += len(text) + len("\n\n")

    def publish(self, tools: Tools, collection: Collection) -> None:
        """Write the document's files and its record."""
        text = "\n\n".join(self.texts).encode()
        keys = [f"{kind}/{collection.folder}/{self.name}" for kind in ("sources", "texts")]
        for key in keys:
            tools.blobs.put(key, text, durable=False)
        tools.documents.publish(
            Document(
                document_id=self.name,
                collection=collection.name,
                generation=collection.generation,
                version=tools.documents.next_version(collection.name, self.name),
                fingerprint=sha256(text).hexdigest(),
                title=self.name,
                media_type="text/plain",
                source_key=keys[0],
                text_key=keys[1],
                chunks=self.library.passages,
                tokens=self.library.passages * self.library.tokens,
                created_at=time(),
                updated_at=time(),
            )
        )


def _unit(rows: NDArray[np.float32]) -> Vector:
    scaled: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled
