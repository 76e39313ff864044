"""What a vector store keeps through restarts and kills, and what readers see beside a writer."""

import threading
import time

from rag.errors import Unavailable
from rag.model import CollectionSpec, Passage
from rag.ports import VectorStore
from tests.contract.vectors.points import DOCS, SPEC, point, query, sparse

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
