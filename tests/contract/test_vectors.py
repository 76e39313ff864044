"""Every vector store behaves the same. A new backend is one more entry in ``BACKENDS``.

A real Qdrant takes part where QDRANT_BIN names the server's binary, or QDRANT_URL an empty server.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
import pytest

from rag.digest import digests
from rag.errors import Conflict, InvalidRequest, Unavailable, UnknownCollection
from rag.model import (
    CollectionSpec,
    DocumentVersion,
    Hit,
    Passage,
    Point,
    SearchQuery,
    SparseVector,
)
from rag.naming import point_id
from rag.ports import VectorStore, Window
from rag.settings import Settings
from rag.stores.vectors.edge import EdgeVectorStore
from rag.stores.vectors.qdrant.connection import nodes_of
from rag.stores.vectors.qdrant.nodes import Nodes
from rag.stores.vectors.qdrant.store import QdrantVectorStore
from rag.stores.vectors.remote import RemoteVectorStore
from tests.qdrantbinary import BINARY, QdrantNode
from tests.qdrantlocal import LocalQdrant

DIMENSION, TOKEN_DIMENSION = 8, 4
SPEC = CollectionSpec(DIMENSION, TOKEN_DIMENSION)
DOCS = "docs"
DENSE_WEIGHT = 20.0


class Backend(Protocol):
    """A store that can be stopped, and killed, and opened again over what it left on disk."""

    store: VectorStore

    def reopen(self) -> None: ...

    def kill(self, *, restart: bool = True) -> None:
        """End it as kill -9 does, and open it again; skips where it lives in this process."""
        ...

    def close(self) -> None: ...


class InProcess:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store = EdgeVectorStore(folder)

    def reopen(self) -> None:
        self.close()
        self.store = EdgeVectorStore(self._folder)

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("lives in this process")

    def close(self) -> None:
        self.store.close()


class EngineProcess:
    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._socket = folder / "run" / "vectors.sock"
        self.store = RemoteVectorStore(self._socket, timeout=20)
        self._start()

    def reopen(self) -> None:
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0
        self._start()

    def kill(self, *, restart: bool = True) -> None:
        self._process.kill()
        self._process.wait(timeout=20)
        if restart:
            self._start()

    def close(self) -> None:
        self.store.close()
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0

    def _start(self) -> None:
        environment = {**os.environ, "AEGIS_HOME": str(self._home)}
        command = [sys.executable, "-m", "rag.stores.vectors.engine"]
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        line = self._process.stderr.readline()
        assert "ready" in line, line
        threading.Thread(target=self._process.stderr.read, daemon=True).start()


class InMemory:
    """qdrant-client's local mode, which keeps nothing."""

    def __init__(self, folder: Path) -> None:
        local = LocalQdrant()
        self.store = QdrantVectorStore(Nodes({"memory": lambda: local}, 5.0), Settings(), patience=1.0)

    def reopen(self) -> None:
        pytest.skip("local mode keeps nothing on disk here")

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("lives in this process")

    def close(self) -> None:
        self.store.close()


class Server:
    """A real one, with strict mode and a key."""

    def __init__(self, folder: Path, *, grpc: bool = False) -> None:
        strict = {
            f"QDRANT__STORAGE__COLLECTION__STRICT_MODE__{name}": value for name, value in STRICT.items()
        }
        self._node = QdrantNode(folder / "node", QDRANT__SERVICE__API_KEY="secret", **strict)
        settings = Settings(
            qdrant_url=self._node.url,
            qdrant_api_key="secret",
            qdrant_grpc=grpc,
            qdrant_grpc_port=self._node.grpc,
        )
        self.store = QdrantVectorStore(nodes_of(settings), settings, patience=5.0)

    def reopen(self) -> None:
        self._node.stop()
        self._node.start()

    def kill(self, *, restart: bool = True) -> None:
        self._node.kill()
        if restart:
            self._node.start()

    def close(self) -> None:
        self.store.close()
        self._node.stop()


class GivenServer:
    """The one that QDRANT_URL and its companions name, which must hold nothing of Aegis."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(qdrant_shards=1)  # the BM25 of a shard knows its own passages only
        self.store = QdrantVectorStore(nodes_of(settings), settings, patience=10.0)
        assert self.store.collections() == (), "the tests remove every collection of Aegis at QDRANT_URL"

    def reopen(self) -> None:
        pytest.skip("not ours to start")

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("not ours to kill")

    def close(self) -> None:
        self.store.close()


STRICT = {
    "ENABLED": "true",
    "UNINDEXED_FILTERING_RETRIEVE": "false",
    "UNINDEXED_FILTERING_UPDATE": "false",
    "UPSERT_MAX_BATCHSIZE": "50",
    "CONDITION_MAX_SIZE": "300",
}

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "edge": InProcess,
    "engine": EngineProcess,
    "memory": InMemory,
}
if BINARY:
    BACKENDS |= {"server": Server, "server over gRPC": partial(Server, grpc=True)}
elif os.environ.get("QDRANT_URL"):
    BACKENDS |= {"QDRANT_URL": GivenServer}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def opened(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with TemporaryDirectory(prefix="aegis-") as folder:  # short: a socket's path has 104 bytes at most
        backend = BACKENDS[request.param](Path(folder))
        yield backend
        backend.close()


@pytest.fixture
def backend(opened: Backend) -> Iterator[Backend]:
    """Without any collection."""
    yield opened
    for name in opened.store.collections():
        opened.store.drop(name)


@pytest.fixture
def store(backend: Backend) -> VectorStore:
    """With the empty collection ``DOCS``."""
    backend.store.ensure(DOCS, SPEC)
    return backend.store


# --- points to work with -------------------------------------------------------------------


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
        name: more.pop(name) for name in ("title", "text", "metadata", "page", "headings") if name in more
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


# --- collections -------------------------------------------------------------------------


def test_ensuring_twice_changes_nothing(store):
    store.upsert(DOCS, [point("a")])
    store.ensure(DOCS, SPEC)
    assert store.count(DOCS) == 1
    assert store.collections() == (DOCS,)


@pytest.mark.parametrize("other", [CollectionSpec(DIMENSION + 1, TOKEN_DIMENSION), CollectionSpec(DIMENSION)])
def test_ensuring_with_another_spec_is_a_conflict(store, other):
    with pytest.raises(Conflict, match=DOCS):
        store.ensure(DOCS, other)


def test_names_that_differ_only_in_case_are_two_collections(store):
    store.ensure("DOCS", SPEC)
    store.upsert("DOCS", [point("a")])
    assert store.collections() == ("DOCS", DOCS)
    assert (store.count(DOCS), store.count("DOCS")) == (0, 1)


@pytest.mark.parametrize("name", ["../docs", "", ".hidden", "a/b", "a b", "é"])
def test_a_name_that_is_no_name_is_refused(backend, name):
    with pytest.raises(InvalidRequest):
        backend.store.ensure(name, SPEC)


def test_a_dropped_collection_is_gone_and_can_be_made_anew(store):
    store.upsert(DOCS, [point("a")])
    store.drop(DOCS)
    store.drop(DOCS)
    assert store.collections() == ()
    store.ensure(DOCS, CollectionSpec(4))
    assert store.count(DOCS) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.upsert("nowhere", [point("a")]),
        lambda store: store.delete("nowhere", "a"),
        lambda store: store.search("nowhere", query()),
        lambda store: store.candidates("nowhere", []),
        lambda store: store.count("nowhere"),
        lambda store: store.scroll("nowhere", after=None, limit=1),
    ],
)
def test_an_unknown_collection_is_named(backend, call):
    with pytest.raises(UnknownCollection, match="nowhere"):
        call(backend.store)


def test_ping_answers(backend):
    backend.store.ping()


# --- writing and reading back ------------------------------------------------------------


def test_a_passage_comes_back_as_it_was(store):
    metadata = {
        "lang": "de",
        "year": 2024,
        "score": 0.5,
        "draft": False,
        "tags": ["x", "y"],
        "a": {"b": None},
    }
    whole = point("a", metadata=metadata, page=3, headings=("One", "Two"), text="line\nnext\ttab 𝄞")
    store.upsert(DOCS, [whole])
    assert store.search(DOCS, query())[0].passage == whole.passage


def test_writing_twice_is_writing_once(store):
    points = [point("a", index) for index in range(5)]
    store.upsert(DOCS, points)
    first = store.search(DOCS, query(terms=sparse(t1=1)))
    store.upsert(DOCS, points)
    assert store.count(DOCS) == 5
    assert store.search(DOCS, query(terms=sparse(t1=1))) == first


def test_a_batch_larger_than_a_slice_is_written_whole(store):
    store.upsert(DOCS, [point("a", index) for index in range(200)])
    assert store.count(DOCS, "a") == 200


def test_nothing_to_write_is_no_error(store):
    store.upsert(DOCS, [])
    assert store.count(DOCS) == 0
    assert store.search(DOCS, query()) == []


def test_counts_are_by_document(store):
    store.upsert(DOCS, [point("a", 0), point("a", 1), point("a", 0, version=2), point("b")])
    assert (store.count(DOCS), store.count(DOCS, "a"), store.count(DOCS, "c")) == (4, 3, 0)


def test_candidates_carry_the_vectors_that_were_put(store):
    dense = np.linspace(1, 2, DIMENSION, dtype=np.float32)
    dense /= np.linalg.norm(dense)
    points = [point("a", 0), point("a", 1, dense=dense), point("a", 2, tokens=None)]
    store.upsert(DOCS, points)
    hits = [Hit(one.passage, 0.5) for one in reversed(points)]

    candidates = store.candidates(DOCS, hits)

    assert [candidate.hit for candidate in candidates] == hits
    for candidate, put in zip(candidates, reversed(points), strict=True):
        np.testing.assert_allclose(candidate.dense, put.dense, atol=1e-6)
        assert candidate.dense.dtype == np.float32
        if put.tokens is None:
            assert candidate.tokens is None
        else:
            assert candidate.tokens.dtype == np.float16
            np.testing.assert_array_equal(candidate.tokens, put.tokens)


def test_a_point_that_has_gone_is_no_candidate(store):
    kept, gone = point("a"), point("b")
    store.upsert(DOCS, [kept, gone])
    store.delete(DOCS, "b")
    candidates = store.candidates(DOCS, [Hit(gone.passage, 1.0), Hit(kept.passage, 0.5)])
    assert [candidate.hit.passage for candidate in candidates] == [kept.passage]


def test_a_collection_without_token_vectors_has_none(backend):
    store = backend.store
    store.ensure(DOCS, CollectionSpec(DIMENSION))
    store.upsert(DOCS, [point("a", tokens=None)])
    (candidate,) = store.candidates(DOCS, store.search(DOCS, query()))
    assert candidate.tokens is None
    assert candidate.dense is not None


def test_a_rewritten_point_without_token_vectors_loses_the_old_ones(store):
    store.upsert(DOCS, [point("a")])
    store.upsert(DOCS, [point("a", tokens=None)])
    (candidate,) = store.candidates(DOCS, store.search(DOCS, query()))
    assert candidate.tokens is None


# --- reading everything ------------------------------------------------------------------


def scrolled(store: VectorStore, limit: int) -> list[Point]:
    """Page by page."""
    points, after = [], None
    while True:
        page = store.scroll(DOCS, after=after, limit=limit)
        assert len(page.items) <= limit
        points += page.items
        after = page.next
        if after is None:
            return points
        assert after == points[-1].passage.chunk_id


@pytest.mark.parametrize("limit", [1, 7, 10_000])
def test_a_scroll_brings_every_point_once_by_ascending_id(store, limit):
    put = [point("a", index) for index in range(14)]
    store.upsert(DOCS, put)
    ids = [one.passage.chunk_id for one in scrolled(store, limit)]
    assert ids == sorted(one.passage.chunk_id for one in put)


def test_a_scroll_of_nothing_ends_at_once(store):
    assert store.scroll(DOCS, after=None, limit=10) == Window((), None)
    store.upsert(DOCS, [point("a")])
    behind = "f" * 8 + "-ffff" * 3 + "-" + "f" * 12
    assert store.scroll(DOCS, after=behind, limit=10) == Window((), None)


def test_a_scrolled_point_is_what_was_put_to_the_bit(store):
    """Twice: what is read can be written again and is still the same. A vector is kept at unit length."""
    random = np.random.default_rng(3)
    put = [
        point(
            "a",
            index,
            dense=unit(random.normal(size=DIMENSION)),
            terms=sparse(**{f"t{term}": float(np.float32(random.uniform())) for term in range(index * 3)}),
            metadata={"year": 2020, "score": 2.0, "tags": ["x", None], "deep": {"a": 0.1}},
            page=index or None,
            headings=("One",),
            tokens=None if index == 2 else random.normal(size=(index, TOKEN_DIMENSION)).astype(np.float16),
        )
        for index in range(6)
    ]
    store.upsert(DOCS, put)
    first = scrolled(store, 4)
    store.upsert(DOCS, first)
    second = scrolled(store, 4)

    assert {one.passage.chunk_id: one.passage for one in first} == {
        one.passage.chunk_id: one.passage for one in put
    }
    assert digests(first) == digests(second)
    for ours, theirs in zip(first, sorted(put, key=lambda one: one.passage.chunk_id), strict=True):
        assert (ours.dense.dtype, ours.sparse.indices.dtype) == (np.float32, np.uint32)
        np.testing.assert_array_equal(ours.dense, theirs.dense)
        np.testing.assert_array_equal(ours.sparse.indices, theirs.sparse.indices)
        np.testing.assert_array_equal(ours.sparse.values, theirs.sparse.values)


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_a_vector_that_the_engine_made_unit_length_stays_as_it_is(store):
    store.upsert(DOCS, [point("a", index, dense=axis(index) * 3 + 0.1) for index in range(DIMENSION)])
    before = scrolled(store, 10)
    store.delete(DOCS, "a")
    store.upsert(DOCS, before)
    assert digests(scrolled(store, 10)) == digests(before)


def test_scrolling_goes_on_behind_a_point_that_is_gone(store):
    store.upsert(DOCS, [point(f"d{number}") for number in range(9)])
    first = store.scroll(DOCS, after=None, limit=3)
    gone = first.items[-1].passage
    store.delete(DOCS, gone.document_id)
    rest = store.scroll(DOCS, after=gone.chunk_id, limit=100)
    assert first.next == gone.chunk_id
    assert len(rest.items) == 6
    assert min(one.passage.chunk_id for one in rest.items) > gone.chunk_id


# --- what the engine would silently mishandle ----------------------------------------------


def bad_points() -> dict[str, Point]:
    good = point("a")
    nan = good.dense.copy()
    nan[3] = np.nan
    nan_tokens = good.tokens.copy()
    nan_tokens[0, 0] = np.inf
    return {
        "NaN": replace(good, dense=nan),
        "zero": replace(good, dense=np.zeros(DIMENSION, np.float32)),
        "shape": replace(good, dense=np.ones(DIMENSION + 1, np.float32)),
        "sparse NaN": replace(good, sparse=sparse(t1=float("nan"))),
        "sparse twice": replace(
            good, sparse=SparseVector(np.array([4, 4], np.uint32), np.ones(2, np.float32))
        ),
        "sparse uneven": replace(good, sparse=SparseVector(np.array([4], np.uint32), np.ones(2, np.float32))),
        "token infinity": replace(good, tokens=nan_tokens),
        "token shape": replace(good, tokens=np.ones((2, TOKEN_DIMENSION + 1), np.float16)),
        "token dtype": replace(good, tokens=np.ones((2, TOKEN_DIMENSION), np.float32)),
        "surrogate in text": point("a", text="broken \ud800"),
        "surrogate in metadata": point("a", metadata={"x": ["\udfff"]}),
        "surrogate in a key": point("a", metadata={"\udfff": 1}),
        "metadata NaN": point("a", metadata={"x": float("nan")}),
        "metadata object": point("a", metadata={"x": object()}),
        "metadata integer": point("a", metadata={"x": 2**70}),
        "id": replace(good, passage=replace(good.passage, chunk_id="no-uuid")),
    }


@pytest.mark.parametrize("name", sorted(bad_points()))
def test_a_bad_point_is_refused_and_its_batch_not_written(store, name):
    with pytest.raises(InvalidRequest):
        store.upsert(DOCS, [point("b"), bad_points()[name]])
    assert store.count(DOCS) == 0


def test_token_vectors_need_a_collection_with_them(backend):
    backend.store.ensure(DOCS, CollectionSpec(DIMENSION))
    with pytest.raises(InvalidRequest, match="token"):
        backend.store.upsert(DOCS, [point("a")])


@pytest.mark.parametrize(
    "bad",
    [
        query(np.full(DIMENSION, np.nan, np.float32)),
        query(np.ones(3, np.float32)),
        query(terms=sparse(t1=float("inf"))),
        query(limit=0),
        query(where={"year": {"above": 3}}),
        query(where={"title": {"gte": 3}}),
        query(where={"year": []}),
        query(where={"year": None}),
    ],
)
def test_a_bad_query_is_refused(store, bad):
    with pytest.raises(InvalidRequest):
        store.search(DOCS, bad)


# --- searching ---------------------------------------------------------------------------


def test_the_nearer_passage_comes_first(store):
    near, far = np.array([0.9, 0.1] + [0] * 6, np.float32), np.array([0.1, 0.9] + [0] * 6, np.float32)
    store.upsert(DOCS, [point("far", dense=far), point("near", dense=near)])
    hits = store.search(DOCS, query(axis(0)))
    assert documents(hits) == ["near", "far"]
    assert hits[0].score == pytest.approx(DENSE_WEIGHT * 0.9 / np.hypot(0.9, 0.1), abs=1e-4)


def test_a_rare_term_lifts_a_passage_over_a_nearer_one(store):
    fill = [point("fill", index, dense=axis(7)) for index in range(50)]
    named = point("named", dense=np.array([0.8, 0.6] + [0] * 6, np.float32), terms=sparse(t1=1, t9=2))
    store.upsert(DOCS, [*fill, named, point("near", dense=axis(0))])
    assert documents(store.search(DOCS, query(limit=2))) == ["near", "named"]
    assert documents(store.search(DOCS, query(terms=sparse(t9=1), limit=2))) == ["named", "near"]


def test_a_term_of_every_passage_says_little(store):
    store.upsert(DOCS, [point("a", index, terms=sparse(t1=1)) for index in range(40)])
    store.upsert(DOCS, [point("b", index, terms=sparse(t1=1, t2=1)) for index in range(2)])
    common = store.search(DOCS, query(axis(7), sparse(t1=1), limit=1))[0]
    rare = store.search(DOCS, query(axis(7), sparse(t2=1), limit=60))
    lift = {hit.passage.document_id: hit.score for hit in rare if hit.passage.index < 2}
    assert lift["b"] - lift["a"] > 2.0
    assert common.score < DENSE_WEIGHT + 0.5


def test_every_score_is_the_exact_sum_of_both_sides(store):
    """Also of passages that only one of the two searches brings among its best."""
    random = np.random.default_rng(7)
    vectors = random.normal(size=(400, DIMENSION)).astype(np.float32)
    points = [
        point(
            "d",
            index,
            dense=vector,
            terms=sparse(**{f"t{t}": 1.0 + t % 3 for t in random.choice(30, 5, replace=False)}),
        )
        for index, vector in enumerate(vectors)
    ]
    store.upsert(DOCS, points)
    wanted = query(random.normal(size=DIMENSION).astype(np.float32), sparse(t3=1.0, t4=1.0), limit=15)

    hits = store.search(DOCS, wanted)

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ (wanted.dense / np.linalg.norm(wanted.dense))
    near = cosines[[hit.passage.index for hit in hits]]
    expected = DENSE_WEIGHT * near + lexical_scores(store, wanted, hits)
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=2e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def lexical_scores(store: VectorStore, wanted: SearchQuery, hits: list[Hit]) -> np.ndarray:
    """The lexical part of each hit's score: what it loses when the terms are left out."""
    alone = replace(wanted, sparse=sparse(), limit=400)
    by_id = {one.passage.chunk_id: one.score for one in store.search(DOCS, alone)}
    return np.array([hit.score - by_id[hit.passage.chunk_id] for hit in hits])


def test_at_most_limit_hits_come(store):
    store.upsert(DOCS, [point("a", index) for index in range(30)])
    assert len(store.search(DOCS, query(limit=7))) == 7
    assert len(store.search(DOCS, query(limit=100))) == 30


def test_a_new_version_is_found_beside_the_old_until_that_is_excluded(store):
    store.upsert(DOCS, [point("a", version=1), point("a", version=2), point("b", version=1)])
    hidden = (DocumentVersion("a", 1), DocumentVersion("c", 1))
    found = {
        (hit.passage.document_id, hit.passage.version) for hit in store.search(DOCS, query(exclude=hidden))
    }
    assert found == {("a", 2), ("b", 1)}


def test_many_versions_can_be_excluded(store):
    store.upsert(DOCS, [point(f"d{number}") for number in range(20)])
    hidden = tuple(DocumentVersion(f"d{number}", 1) for number in range(1, 2000))
    assert documents(store.search(DOCS, query(exclude=hidden))) == ["d0"]


METADATA = {
    "a": {
        "lang": "en",
        "year": 2020,
        "tags": ["x", "y"],
        "author": {"name": "Curie"},
        "issued": "2024-05-01",
    },
    "b": {"lang": "de", "year": 2022.0, "tags": ["y"], "draft": True, "issued": "2024-05-01T12:00:00+02:00"},
    "c": {"lang": "en", "year": 2024, "author": [{"name": "Bohr"}, {"name": "Curie"}], "odd key.é": 7},
    "d": {"year": "2022", "draft": 1, "title": "not the passage's title"},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "abcd"),
        ({"lang": "en"}, "ac"),
        ({"lang": "EN"}, ""),
        ({"lang": ["de", "fr"]}, "b"),
        ({"year": 2022}, "b"),
        ({"year": "2022"}, "d"),
        ({"draft": True}, "b"),
        ({"draft": 1}, "d"),
        ({"tags": "y"}, "ab"),
        ({"author.name": "Curie"}, "ac"),
        ({"year": {"gte": 2020, "lt": 2024}}, "ab"),
        ({"year": {"gt": 2020}}, "bc"),
        ({"year": {"lte": 2020}}, "a"),
        ({"issued": {"gte": "2024-05-01T01:00:00Z"}}, "b"),
        ({"issued": {"lt": "2024-05-01T10:00:00Z"}}, "a"),
        ({"odd key.é": {"gte": 7}}, "c"),
        ({"lang": "en", "year": {"gt": 2020}}, "c"),
        ({"document_id": ["a", "d"]}, "ad"),
        ({"title": "Title of b"}, "b"),
        ({"nothing": "here"}, ""),
    ],
)
def test_filters(store, where, expected):
    store.upsert(DOCS, [point(name, metadata=metadata) for name, metadata in METADATA.items()])
    assert "".join(sorted(documents(store.search(DOCS, query(where=where))))) == expected


def test_filters_hold_for_documents_that_came_before_the_field(store):
    store.upsert(DOCS, [point("a"), point("b", metadata={"year": 1})])
    store.upsert(DOCS, [point("c", metadata={"year": 2, "pages": 10})])
    assert documents(store.search(DOCS, query(where={"pages": {"gte": 1}}))) == ["c"]
    assert documents(store.search(DOCS, query(where={"year": {"gte": 1, "lt": 2}}))) == ["b"]


# --- deleting ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({}, set()),
        ({"below": 3}, {3, 4}),
        ({"keep": 2}, {2}),
        ({"below": 3, "keep": 1}, {1, 3, 4}),
        ({"only": 2}, {1, 3, 4}),
    ],
)
def test_deleting_takes_the_versions_it_is_told(store, which, left):
    store.upsert(DOCS, [point("a", version=version) for version in (1, 2, 3, 4)] + [point("b")])
    store.delete(DOCS, "a", **which)
    store.delete(DOCS, "a", **which)
    hits = store.search(DOCS, query())
    assert {hit.passage.version for hit in hits if hit.passage.document_id == "a"} == left
    assert store.count(DOCS, "b") == 1


# --- lasting -----------------------------------------------------------------------------


def state(store: VectorStore) -> dict[str, tuple[Passage, bytes, bytes]]:
    """Every point with all that it holds. (Scores may move: idf counts deleted points for a while.)"""
    hits = store.search(DOCS, query(terms=sparse(t1=1.0), limit=500))
    assert len(hits) == store.count(DOCS)
    candidates = store.candidates(DOCS, hits)
    return {
        one.hit.passage.chunk_id: (one.hit.passage, one.dense.tobytes(), one.tokens.tobytes())
        for one in candidates
    }


def test_a_restart_keeps_everything(backend, store):
    store.upsert(DOCS, [point("a", index, metadata={"year": index}) for index in range(100)])
    store.upsert(DOCS, [point("b")])
    store.delete(DOCS, "b")
    store.ensure("other", CollectionSpec(3))
    before = state(store)
    backend.reopen()
    assert state(backend.store) == before
    assert backend.store.collections() == (DOCS, "other")
    backend.store.ensure(DOCS, SPEC)
    assert len(backend.store.search(DOCS, query(where={"year": {"lt": 5}}))) == 5


def test_a_kill_keeps_what_was_acknowledged(backend, store):
    store.upsert(DOCS, [point("a", index) for index in range(100)])
    store.upsert(DOCS, [point("b", index) for index in range(100)])
    store.delete(DOCS, "b", below=9)
    before = state(store)
    backend.kill()
    assert state(backend.store) == before


def test_a_kill_in_the_middle_of_writing_loses_nothing_acknowledged(backend, store):
    acknowledged: list[str] = []

    def write() -> None:
        for number in range(10_000):
            try:
                store.upsert(DOCS, [point(f"d{number}", index) for index in range(20)])
            except Unavailable:
                return
            acknowledged.append(f"d{number}")
            if len(acknowledged) == 15:
                enough.set()

    backend.kill()  # skips early where nothing can be killed
    enough = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(30)
    backend.kill(restart=False)
    writer.join(30)
    backend.kill()
    assert [name for name in acknowledged if backend.store.count(DOCS, name) != 20] == []
    last = acknowledged[-1]
    hits = backend.store.search(DOCS, query(where={"document_id": last}, limit=30))
    assert len(backend.store.candidates(DOCS, hits)) == 20


# --- readers beside a writer ---------------------------------------------------------------


def test_readers_see_whole_passages_while_a_writer_writes(store):
    store.upsert(DOCS, [point("always", index) for index in range(20)])
    done, failures, reads = threading.Event(), [], []

    def read() -> None:
        while not done.is_set():
            try:
                hits = store.search(
                    DOCS, query(terms=sparse(t1=1.0), limit=20, where={"document_id": "always"})
                )
                assert len(hits) == 20
                assert len(store.candidates(DOCS, hits)) == 20
                reads.append(time.monotonic())
            except BaseException as error:  # noqa: BLE001 - reported below
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 9):
        store.upsert(DOCS, [point("changing", index, version=version) for index in range(30)])
        store.delete(DOCS, "changing", below=version)
    done.set()
    for reader in readers:
        reader.join(20)
    assert failures == []
    assert len(reads) >= 3
    assert store.count(DOCS) == 50


# --- the same answers everywhere -----------------------------------------------------------


def library(random: np.random.Generator) -> list[Point]:
    """300 passages whose vectors and terms lie at random, in three languages, ten years and four tenants."""
    return [
        point(
            f"d{number}",
            dense=random.normal(size=DIMENSION).astype(np.float32),
            terms=sparse(
                **{f"t{term}": float(random.uniform(0.5, 2)) for term in random.choice(40, 6, False)}
            ),
            metadata={
                "lang": ["en", "de", "fr"][number % 3],
                "year": 2015 + number % 10,
                "tenant": f"t{number % 4}",
            },
            tokens=None,
        )
        for number in range(300)
    ]


def questions(random: np.random.Generator) -> list[SearchQuery]:
    filters = [
        {},
        {"lang": "de"},
        {"year": {"gte": 2019}},
        {"tenant": "t1"},
        {"lang": ["en", "fr"], "year": 2020},
    ]
    return [
        query(
            random.normal(size=DIMENSION).astype(np.float32),
            sparse(**{f"t{term}": 1.0 for term in random.choice(40, number % 4, False)}),
            where=filters[number % len(filters)],
            limit=20,
            exclude=tuple(DocumentVersion(f"d{one}", 1) for one in range(number)),
        )
        for number in range(20)
    ]


def answers(store: VectorStore) -> list[list[Hit]]:
    random = np.random.default_rng(11)
    store.upsert(DOCS, library(random))
    return [store.search(DOCS, one) for one in questions(random)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[list[Hit]]:
    """The answers of the embedded engine."""
    with closing(EdgeVectorStore(tmp_path_factory.mktemp("edge"))) as edge:
        edge.ensure(DOCS, SPEC)
        return answers(edge)


def test_hybrid_answers_are_those_of_the_embedded_engine(store, expected):
    got = answers(store)
    assert [[hit.passage for hit in hits] for hits in got] == [
        [hit.passage for hit in hits] for hits in expected
    ]
    for ours, theirs in zip(got, expected, strict=True):
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-3)
