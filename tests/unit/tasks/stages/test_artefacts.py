"""What one stage leaves for the next comes back as it was."""

import msgpack
import numpy as np
import pytest

from rag.errors import NotFound
from rag.model import Chunk, Embedding, Hit, Passage
from tasks.stages import artefacts


def test_a_passage_embedding_keeps_its_arrays_and_dtypes() -> None:
    embedding = Embedding(np.arange(4, dtype=np.float32), np.ones((3, 2), np.float16))

    (back,) = artefacts.unpack_embeddings(artefacts.pack_embeddings([embedding]))

    assert back.dense.dtype == np.float32
    assert back.tokens is not None
    assert back.tokens.dtype == np.float16
    np.testing.assert_array_equal(back.dense, embedding.dense)
    np.testing.assert_array_equal(back.tokens, np.ones((3, 2)))
    assert back.weights is None


def test_a_query_embedding_keeps_its_weights() -> None:
    embedding = Embedding(
        np.zeros(2, np.float32), np.zeros((2, 2), np.float16), np.array([0.5, 2], np.float32)
    )

    back = artefacts.unpack_embedding(artefacts.pack_embedding(embedding))

    assert back.weights is not None
    np.testing.assert_array_equal(back.weights, [0.5, 2])


def test_a_query_names_the_store_that_it_was_embedded_for() -> None:
    store, back = artefacts.unpack_query(artefacts.pack_query("docs-1.2", Embedding(np.ones(2, np.float32))))

    assert store == "docs-1.2"
    np.testing.assert_array_equal(back.dense, [1, 1])


def test_chunks_keep_title_headings_and_places() -> None:
    chunk = Chunk(0, "Straße 5", 10, 18, 4, page=2, headings=("One", "Two"))

    assert artefacts.unpack_chunks(artefacts.pack_chunks("Title", [chunk])) == ("Title", [chunk])


def test_hits_keep_passages_and_scores() -> None:
    passage = Passage("id", "doc", 3, 0, "text", "title", 0, 4, headings=("H",), metadata={"a": [1, None]})

    assert artefacts.unpack_hits(artefacts.pack_hits([Hit(passage, 0.25)])) == [Hit(passage, 0.25)]


def test_what_was_cut_off_counts_as_gone() -> None:
    whole = artefacts.pack_chunks("Title", [Chunk(0, "text", 0, 4, 1)])

    with pytest.raises(NotFound, match="damaged"):
        artefacts.unpack_chunks(whole[:-5])


def test_vectors_that_were_overwritten_are_not_found() -> None:
    whole = bytearray(artefacts.pack_embeddings([Embedding(np.ones(64, np.float32))]))
    whole[100:104] = bytes(4)
    with pytest.raises(NotFound, match="damaged"):
        artefacts.unpack_embeddings(bytes(whole))


def test_vectors_of_the_version_before_have_no_checksum() -> None:
    dense = np.arange(4, dtype="<f4")
    packed = msgpack.packb([(((4,), dense.tobytes()), None, None)])
    (back,) = artefacts.unpack_embeddings(packed)
    assert back.dense.tolist() == [0, 1, 2, 3]
