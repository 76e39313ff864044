"""Packs what one stage leaves for the next: msgpack, with arrays raw and little-endian.

Unpacking raises NotFound for bytes that are cut off, and for vectors that were changed, as after a power cut:
the stage can make them again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from zlib import crc32

import msgpack
import numpy as np
from numpy.typing import NDArray

from rag.errors import NotFound
from rag.model import Chunk, Embedding, Hit, Passage
from rag.model.known import known_fields


def pack_embedding(embedding: Embedding) -> bytes:
    return bytes(msgpack.packb(_embedding(embedding)))


def unpack_embedding(data: bytes) -> Embedding:
    return _to_embedding(_unpacked(data))


def pack_query(store: str, embedding: Embedding) -> bytes:
    """A question's embedding, and the ``store`` to search."""
    return bytes(msgpack.packb((store, _embedding(embedding))))


def unpack_query(data: bytes) -> tuple[str, Embedding]:
    store, embedding = _unpacked(data)
    return store, _to_embedding(embedding)


def pack_embeddings(embeddings: Sequence[Embedding]) -> bytes:
    return bytes(msgpack.packb([_embedding(e) for e in embeddings]))


def unpack_embeddings(data: bytes) -> list[Embedding]:
    return [_to_embedding(e) for e in _unpacked(data)]


def pack_chunks(title: str, chunks: Sequence[Chunk]) -> bytes:
    """The chunks of a document, and the title that citations of them show."""
    return bytes(msgpack.packb((title, [asdict(chunk) for chunk in chunks])))


def unpack_chunks(data: bytes) -> tuple[str, list[Chunk]]:
    title, chunks = _unpacked(data)
    return title, [Chunk(**{**known_fields(Chunk, c), "headings": tuple(c["headings"])}) for c in chunks]


def pack_hits(hits: Sequence[Hit]) -> bytes:
    return bytes(msgpack.packb([(hit.score, asdict(hit.passage)) for hit in hits]))


def unpack_hits(data: bytes) -> list[Hit]:
    return [
        Hit(Passage(**{**known_fields(Passage, passage), "headings": tuple(passage["headings"])}), score)
        for score, passage in _unpacked(data)
    ]


def _unpacked(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data)
    except ValueError as error:  # msgpack's own errors are ValueErrors
        raise NotFound(f"what an earlier stage left is damaged: {error}") from error


def _embedding(embedding: Embedding) -> tuple[Any, ...]:
    return (
        _array(embedding.dense, "<f4"),
        _array(embedding.tokens, "<f2"),
        _array(embedding.weights, "<f4"),
    )


def _to_embedding(packed: Sequence[Any]) -> Embedding:
    dense, tokens, weights = packed
    dense_array = _to_array(dense, np.float32)
    if dense_array is None:
        raise ValueError("an embedding without its dense vector")
    return Embedding(dense_array, _to_array(tokens, np.float16), _to_array(weights, np.float32))


def _array(array: NDArray[Any] | None, dtype: str) -> tuple[tuple[int, ...], bytes, int] | None:
    """Shape, bytes, and their CRC-32, which versions up to 0.2.0 leave out and do not read."""
    if array is None:
        return None
    data = np.ascontiguousarray(array, dtype).tobytes()
    return array.shape, data, crc32(data)


def _to_array(packed: Sequence[Any] | None, dtype: type[Any]) -> NDArray[Any] | None:
    if packed is None:
        return None
    shape, data, *checksum = packed
    if checksum and crc32(data) != checksum[0]:
        raise NotFound("the vectors that an earlier stage left are damaged")
    return np.frombuffer(data, dtype).reshape(shape)
