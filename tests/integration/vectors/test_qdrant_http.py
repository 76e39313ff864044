"""The Qdrant store over HTTP: addresses, retries, errors, keys and strict mode, on a stand-in server."""

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Timer

import numpy as np
import pytest
from qdrant_client import models

from rag.errors import (
    AegisError,
    Conflict,
    InvalidRequest,
    Overloaded,
    Refused,
    TimedOut,
    Unavailable,
    UnknownCollection,
)
from rag.model import CollectionSpec, Passage, Point, SearchQuery, SparseVector
from rag.naming import point_id
from rag.settings import Settings
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantserver import Answer, QdrantServer, serving

SPEC = CollectionSpec(4)
DOCS = "docs-1"
NO_TERMS = SparseVector(np.array([], np.uint32), np.array([], np.float32))

Opened = Callable[..., QdrantVectorStore]


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with serving(QdrantServer()) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a store at an address, with settings."""
    with ExitStack() as stack:

        def open_at(url: str, *, patience: float = 0.0, **more: object) -> QdrantVectorStore:
            settings = Settings(qdrant_url=url, **more)
            store = QdrantVectorStore(nodes_of(settings), settings, patience)
            return stack.enter_context(closing(store))

        yield open_at


def point(document: str, **metadata: object) -> Point:
    passage = Passage(
        point_id(DOCS, document, 1, 0), document, 1, 0, "text", "title", 0, 4, metadata=metadata
    )
    return Point(passage, np.ones(4, np.float32), NO_TERMS)


def found(store: QdrantVectorStore, **where: object) -> list[str]:
    hits = store.search(DOCS, SearchQuery(np.ones(4, np.float32), NO_TERMS, 100, where))
    return sorted(hit.passage.document_id for hit in hits)


# --- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Refused),
        (403, Refused),
        (404, UnknownCollection),
        (408, TimedOut),
        (409, Conflict),
        (429, Overloaded),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_status_is_an_error_of_ours(
    server: QdrantServer, opened: Opened, status: int, kind: type[AegisError]
) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    server.instead.append(Answer(status))

    with pytest.raises(kind, match="told to"):
        store.count(DOCS)


def test_a_wrong_key_is_told_by_the_name_of_its_setting(opened: Opened) -> None:
    with serving(QdrantServer(api_key="right")) as server:
        opened(server.url, qdrant_api_key="right").ping()
        with pytest.raises(Refused, match="QDRANT_API_KEY"):
            opened(server.url, qdrant_api_key="wrong").ping()


def test_an_answer_that_does_not_come_ends_the_call(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url, qdrant_timeout=1)
    server.instead.append(Answer(200, after=3))

    with pytest.raises(TimedOut, match=server.url):
        store.ping()


def test_something_else_at_the_address_is_no_qdrant(server: QdrantServer, opened: Opened) -> None:
    with pytest.raises(Unavailable, match="no Qdrant"):
        opened(f"{server.url}/elsewhere").ping()


def test_opening_a_store_warns_of_nothing(server: QdrantServer, opened: Opened) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(server.url, qdrant_api_key="in-the-clear").ping()


# --- a server that goes away ---------------------------------------------------------------


def test_the_next_address_is_asked_and_kept(server: QdrantServer, opened: Opened) -> None:
    with serving(QdrantServer()) as gone:
        pass
    store = opened(f"{gone.url},{server.url}")

    store.ensure(DOCS, SPEC)
    store.upsert(DOCS, [point("a")])

    assert found(store) == ["a"]


def test_a_server_that_fails_is_left_for_the_next(server: QdrantServer, opened: Opened) -> None:
    with serving(QdrantServer(local=server.local)) as other:
        store = opened(f"{server.url},{other.url}")
        store.ensure(DOCS, SPEC)
        server.instead.append(Answer(503))

        assert store.count(DOCS) == 0
        assert store.count(DOCS) == 0
        assert len([call for call in other.calls if call.endswith("/count")]) == 2


def test_a_write_waits_for_a_server_that_comes_back(opened: Opened) -> None:
    with serving(QdrantServer()) as first:
        store = opened(first.url, patience=20.0)
        store.ensure(DOCS, SPEC)
    port, local = first.server_port, first.local
    with ExitStack() as later:
        restart = Timer(0.7, lambda: later.enter_context(serving(QdrantServer(port, local=local))))
        restart.start()
        store.upsert(DOCS, [point("a")])
        restart.join()

        assert found(store) == ["a"]


def test_a_server_that_stays_away_is_unavailable(opened: Opened) -> None:
    with serving(QdrantServer()) as gone:
        pass
    with pytest.raises(Unavailable, match=gone.url):
        opened(gone.url, patience=0.2).ensure(DOCS, SPEC)


def test_a_reader_does_not_wait_as_long_as_a_writer(opened: Opened) -> None:
    with serving(QdrantServer()) as gone:
        pass
    store, began = opened(gone.url, patience=60.0), time.monotonic()
    with pytest.raises(Unavailable, match=gone.url):
        store.count(DOCS)
    assert time.monotonic() - began < 30


def test_a_limited_rate_is_waited_for_by_a_write_and_told_to_a_reader(
    server: QdrantServer, opened: Opened
) -> None:
    store = opened(server.url, patience=5.0)
    store.ensure(DOCS, SPEC)

    server.instead.append(Answer(429, {"Retry-After": "1"}))
    store.upsert(DOCS, [point("a")])
    server.instead.append(Answer(429, {"Retry-After": "30"}))

    with pytest.raises(Overloaded) as error:
        store.count(DOCS)
    assert error.value.retry_after == 30
    assert found(store) == ["a"]


def test_a_forked_child_has_connections_of_its_own(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    store.upsert(DOCS, [point("a")])
    answers = multiprocessing.get_context("fork").SimpleQueue()

    child = multiprocessing.get_context("fork").Process(target=lambda: answers.put(found(store)))
    child.start()
    child.join(20)

    assert child.exitcode == 0
    assert answers.get() == ["a"]
    assert found(store) == ["a"]


# --- collections ---------------------------------------------------------------------------


def test_two_workers_make_a_collection_at_once(server: QdrantServer, opened: Opened) -> None:
    stores = [opened(server.url) for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda store: store.ensure(DOCS, SPEC), stores))

    assert stores[0].collections() == (DOCS,)
    with pytest.raises(Conflict, match=DOCS):
        stores[1].ensure(DOCS, CollectionSpec(5))


def test_a_worker_asks_once_for_what_rarely_changes(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    before = len(server.calls)

    for name in ("a", "b", "c"):
        store.ensure(DOCS, SPEC)
        store.upsert(DOCS, [point(name)])

    assert len(server.calls) - before == 3


def test_a_collection_that_was_deleted_by_hand_is_made_anew(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    server.local.delete_collection(DOCS)
    with pytest.raises(UnknownCollection):
        store.upsert(DOCS, [point("a")])

    store.ensure(DOCS, SPEC)
    store.upsert(DOCS, [point("b")])

    assert found(store) == ["b"]


def test_a_collection_that_is_dropped_while_they_are_listed_is_left_out(
    server: QdrantServer, opened: Opened
) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    store.ensure("docs-2", SPEC)
    server.instead.extend([None, Answer(404)])

    assert len(store.collections()) == 1


def test_a_scroll_keeps_to_the_page_that_strict_mode_allows(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    store.upsert(DOCS, [point(f"d{number}") for number in range(7)])
    strict = models.StrictModeConfig(enabled=True, max_query_limit=5)
    server.local.update_collection(DOCS, strict_mode_config=strict)

    first = opened(server.url).scroll(DOCS, after=None, limit=100)
    rest = opened(server.url).scroll(DOCS, after=first.next, limit=100)

    assert (len(first.items), len(rest.items), rest.next) == (5, 2, None)


def test_a_collection_that_a_killed_worker_left_half_made_is_completed(
    server: QdrantServer, opened: Opened
) -> None:
    look, unname, create, read = None, None, None, None
    server.instead.extend([look, unname, create, read, Answer(500)])
    with pytest.raises(Unavailable):
        opened(server.url).ensure(DOCS, SPEC)

    opened(server.url).ensure(DOCS, SPEC)

    indexes = server.local.get_collection(DOCS).payload_schema
    assert {"document_id", "revision", "terms", "version", "tenant"} <= indexes.keys()
    assert indexes["tenant"].params.is_tenant


def test_what_others_keep_on_the_server_is_left_alone(server: QdrantServer, opened: Opened) -> None:
    vectors = models.VectorParams(size=4, distance=models.Distance.DOT)
    server.local.create_collection("theirs", vectors_config=vectors)
    store = opened(server.url)

    assert store.collections() == ()
    for touch in (lambda: store.ensure("theirs", SPEC), lambda: store.drop("theirs")):
        with pytest.raises(Conflict, match="theirs"):
            touch()
    assert server.local.get_collection("theirs").points_count == 0


def test_an_alias_is_switched(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    for name in (DOCS, "docs-2"):
        store.ensure(name, SPEC)
        store.alias("docs", name)
        store.alias("docs", name)

    server.local.delete_collection(DOCS)
    assert server.local.get_collection("docs").points_count == 0
    assert store.collections() == ("docs-2",)


def test_a_collection_is_never_another_by_its_alias(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure("docs-1-1", SPEC)
    store.alias(DOCS, "docs-1-1")
    with pytest.raises(UnknownCollection, match="alias"):
        store.upsert(DOCS, [point("a")])

    store.ensure(DOCS, SPEC)
    store.upsert(DOCS, [point("a")])

    assert (store.count(DOCS), store.count("docs-1-1")) == (1, 0)


# --- strict mode ---------------------------------------------------------------------------


def strictly(server: QdrantServer, **limits: int) -> None:
    strict = models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False, **limits)
    server.local.update_collection(DOCS, strict)


def test_no_filter_is_refused_for_want_of_an_index(server: QdrantServer, opened: Opened) -> None:
    store, other = opened(server.url), opened(server.url)
    store.ensure(DOCS, SPEC)
    strictly(server)
    assert found(store, pages={"gte": 1}) == []

    other.upsert(DOCS, [point("a", pages=3, issued="2024-05-01", tenant="t"), point("b")])

    assert found(store, pages={"gte": 1}) == ["a"]
    assert found(store, issued={"lt": "2025-01-01"}, tenant="t", title="title") == ["a"]
    assert found(store, absent={"gte": 1}) == []
    assert found(store, absent="x") == []


def test_what_strict_mode_allows_at_once_is_not_exceeded(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)
    strictly(server, upsert_max_batchsize=10, condition_max_size=2)
    other = opened(server.url)

    other.upsert(DOCS, [point(f"d{number}") for number in range(25)])

    writes = [call for call in server.calls if call == f"PUT /collections/{DOCS}/points"]
    assert len(writes) == 3
    assert found(other, document_id=["d1", "d2", "d3"]) == ["d1", "d2", "d3"]


def test_a_large_upsert_goes_in_parts_that_a_server_takes(server: QdrantServer, opened: Opened) -> None:
    store = opened(server.url)
    store.ensure(DOCS, SPEC)

    store.upsert(DOCS, [point(f"d{number}", note="x" * 3_000_000) for number in range(5)])

    writes = [call for call in server.calls if call == f"PUT /collections/{DOCS}/points"]
    assert len(writes) == 3
    assert store.count(DOCS) == 5
