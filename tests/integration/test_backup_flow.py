"""Backups are made while documents come and go, and whatever is killed or away meanwhile."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import time

import pytest
import redis

from rag.digest import digests, total
from rag.errors import NotFound, Unavailable
from rag.model import (
    CollectionSpec,
    Engine,
    JobKind,
    JobState,
    Manifest,
    Point,
    SavedCollection,
    SnapshotFile,
    Stage,
)
from rag.settings import Settings
from rag.stores.backups import contents, cuts
from rag.stores.backups.contents import SavedBlob, SavedDocument
from rag.stores.backups.objects import Objects
from rag.stores.backups.streams import read
from rag.stores.vectors.edge import EdgeVectorStore
from rag.stores.vectors.snapshots import EdgeSnapshots
from tasks import backup, messages, patience, records, taking
from tasks.app import app
from tasks.orders import Restoring
from tasks.records import restored
from tasks.saving import savepoint
from tasks.submit import Ingestion, Submissions, Text
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess, finished, job_of, step

COLLECTION, OTHER, EMPTY = "handbook", "recipes", "blank"
DAY = 86_400.0


class Copies:
    """Snapshots that cost next to nothing: of each store one file, which changes with its points."""

    engine = Engine("edge", "0")

    def __init__(self, vectors: EdgeVectorStore) -> None:
        self.vectors = vectors
        self.files: dict[str, dict[str, bytes]] = {}

    def take(self, name: str, stores: Sequence[str]) -> tuple[SnapshotFile, ...]:
        copies = self.files.setdefault(name, {})
        for store in stores:
            ids = sorted(point.passage.chunk_id for point in points_in(self.vectors, store))
            copies.setdefault(store, "".join(ids).encode() * 2_000)
        return tuple(SnapshotFile(store, "", "points", len(copies[store])) for store in stores)

    def read(self, name: str, file: SnapshotFile, start: int = 0) -> Iterator[bytes]:
        if name not in self.files:
            raise NotFound(f"there is no snapshot {name}")
        yield self.files[name][file.store][start:]

    def release(self, name: str) -> None:
        self.files.pop(name, None)

    def taken(self) -> tuple[str, ...]:
        return tuple(self.files)


class Store:
    """Every object that is put, with how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.puts: Counter[str] = Counter()
        self.away = False
        real = Objects.put_whole

        def put(objects: Objects, key: str, data: bytes) -> None:
            if self.away:
                raise Unavailable("connection refused")
            self.puts[key] += 1
            real(objects, key, data)

        monkeypatch.setattr(Objects, "put_whole", put)

    @property
    def parts(self) -> Counter[str]:
        return Counter({key: count for key, count in self.puts.items() if key.startswith("parts/")})


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    for name in ("publish", "announce"):
        monkeypatch.setattr(messages, name, lambda job, **_: None)
    monkeypatch.setattr(records, "publish", lambda job: None)
    monkeypatch.setattr(taking, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(cuts, "LINES_A_PIECE", 3)
    settings = Settings(
        redis_url=valkey, aegis_home=tmp_path, jina_base_url="http://127.0.0.1:9/v1", backup_part_mb=1
    )
    built = InProcess(settings)
    monkeypatch.setitem(vars(built), "snapshots", Copies(built.vectors))
    app.loader.import_default_modules()
    app.toolbox = built
    for name in (COLLECTION, EMPTY):
        built.documents.put_collection(name, OLD, DIMENSIONS[OLD])
    yield built
    built.vectors.close()


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece a slice."""
    monkeypatch.setattr(backup, "SLICE_SECONDS", 0.0)


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def points_in(vectors: EdgeVectorStore, store: str) -> list[Point]:
    found, window = [], vectors.scroll(store, after=None, limit=100)
    while window.next is not None:
        found += window.items
        window = vectors.scroll(store, after=window.next, limit=100)
    return [*found, *window.items]


def brought(desk: Submissions, document_id: str, text: str | None = None, into: str = COLLECTION) -> str:
    words = text or f"The lantern of {document_id} hangs above its northern gate.\nOnly {document_id} rows."
    return desk.ingest(Ingestion(Text(words), into, document_id)).job.id


def ingested(tools: InProcess, desk: Submissions, *names: str, into: str = COLLECTION) -> None:
    tools.documents.put_collection(into, OLD, DIMENSIONS[OLD])
    for name in names:
        assert finished(tools, brought(desk, name, into=into)).state is JobState.SUCCEEDED


def asked(desk: Submissions, mode: str = "incremental") -> str:
    return desk.backups.back_up(mode, "request").job.id


def made(tools: InProcess, desk: Submissions, mode: str = "incremental") -> Manifest:
    job = finished(tools, asked(desk, mode))
    assert job.state is JobState.SUCCEEDED, job.error
    return tools.vault.manifest(job.id)


def lines_of(tools: InProcess, manifest: Manifest, stream: str) -> list[bytes]:
    return list(contents.lines(read(tools.vault, manifest.stream(stream))))


def saved(manifest: Manifest, name: str = COLLECTION) -> SavedCollection:
    return next(each for each in manifest.collections if each.name == name)


def documents_of(tools: InProcess, manifest: Manifest) -> list[SavedDocument]:
    return list(map(contents.saved_document, lines_of(tools, manifest, saved(manifest).documents_stream)))


def blobs_of(tools: InProcess, manifest: Manifest) -> list[SavedBlob]:
    return list(map(contents.saved_blob, lines_of(tools, manifest, contents.BLOBS)))


def bytes_of(tools: InProcess, manifest: Manifest, blob: SavedBlob) -> bytes:
    return b"".join(read(tools.vault, manifest.stream(blob.stream), blob.offset))[: blob.size]


def names(count: int) -> list[str]:
    return [f"isle{number:02}" for number in range(count)]


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was published before a backup counts as published long before."""
    monkeypatch.setattr("tasks.saving.scope.CLOCKS_APART", 0.0)


def test_everything_is_in_it(
    tools: InProcess, desk: Submissions, past: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(tools), "snapshots", EdgeSnapshots(tools.settings, tools.vectors))
    ingested(tools, desk, *names(12))
    ingested(tools, desk, "soup", into=OTHER)
    dropped = finished(tools, desk.drop_collection(OTHER).id)
    ingested(tools, desk, "salad", into=OTHER)
    on_its_way = brought(desk, "late")

    manifest = made(tools, desk)

    assert [each.name for each in manifest.collections] == [EMPTY, COLLECTION, OTHER]
    book, blank = saved(manifest), saved(manifest, EMPTY)
    points = points_in(tools.vectors, book.store)
    whole = total(digests(points))
    assert (book.documents, book.points, book.late, book.digest) == (12, 24, 0, str(whole))
    assert (book.embedding_model, book.dimension, book.quiet) == (OLD, DIMENSIONS[OLD], True)
    assert (blank.store, blank.documents, blank.points, blank.digest) == ("", 0, 0, "0" * 64)
    assert [each.document.document_id for each in documents_of(tools, manifest)] == names(12)
    files = [(each.file, partial(read, tools.vault, manifest.stream(each.stream))) for each in book.files]
    tools.snapshots.load("copy-1", CollectionSpec(DIMENSIONS[OLD]), manifest.engine, files, lambda _: None)
    assert total(digests(points_in(tools.vectors, "copy-1"))) == whole
    jobs = {job["id"]: job for job in map(contents.saved_job, lines_of(tools, manifest, contents.JOBS))}
    assert "state" not in jobs[on_its_way]
    assert jobs[dropped.id]["state"] == JobState.SUCCEEDED
    assert manifest.id not in jobs
    entries = map(contents.saved_collection, lines_of(tools, manifest, contents.COLLECTIONS))
    assert {(entry.name, entry.generation) for entry in entries} == {(COLLECTION, 1), (EMPTY, 1), (OTHER, 2)}
    assert saved(manifest, OTHER).highest == 2, "soup had 1 before the collection was dropped, salad got 2"
    blobs = {blob.key: blob for blob in blobs_of(tools, manifest)}
    assert blobs.keys() == {key for key in tools.blobs.keys("") if key.startswith(("sources/", "texts/"))}
    for key, blob in blobs.items():
        assert sha256(bytes_of(tools, manifest, blob)).hexdigest() == blob.sha256
        assert bytes_of(tools, manifest, blob) == tools.blobs.get(key)
    assert manifest.missing == ()


def test_golden_queries_find_their_passages(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(12))

    manifest = made(tools, desk)

    queries = list(map(contents.golden_query, lines_of(tools, manifest, saved(manifest).golden_stream)))
    assert len(queries) > 10
    for query in queries:
        found = tools.vectors.search(saved(manifest).store, query.asked(10))
        assert [hit.passage.chunk_id for hit in found] == [hit.chunk_id for hit in query.hits]
    assert tools.models[OLD].embedded.count(queries[0].text) <= 1, "no model is asked for a backup"


def test_what_is_told_of_it(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    job = finished(tools, asked(desk))

    manifest, word = tools.vault.manifest(job.id), tools.standing.words()[JobKind.BACKUP]

    assert job.result is not None
    assert (job.result["documents"], job.result["bytes"]) == (3, manifest.size)
    assert 0 < job.result["sent"] <= job.result["bytes"]
    assert job.progress.done == job.progress.total > 0
    assert (word["ok"], word["backup"], word["trigger"], word["mode"]) == (
        True,
        job.id,
        "request",
        "incremental",
    )
    assert {name: word[name] for name in ("documents", "points", "bytes", "sent")} == {
        name: job.result[name] for name in ("documents", "points", "bytes", "sent")
    }


def test_another_one_sends_only_what_changed(tools: InProcess, desk: Submissions, store: Store) -> None:
    ingested(tools, desk, *names(12))
    first = made(tools, desk)
    finished(tools, desk.delete_document(COLLECTION, "isle03").id)
    ingested(tools, desk, "since")
    gone = {blob.key for blob in blobs_of(tools, first)} - set(tools.blobs.keys(""))
    sent = store.parts

    second = made(tools, desk)

    assert (store.parts - sent).keys().isdisjoint(first.parts)
    assert first.parts.keys() & second.parts.keys()
    blobs = {blob.key: blob for blob in blobs_of(tools, second)}
    assert len(gone) == 2
    assert gone.isdisjoint(blobs)
    assert len({blob.stream for blob in blobs.values()}) == 2, "the earlier pack, and one more"
    for key, blob in blobs.items():
        assert bytes_of(tools, second, blob) == tools.blobs.get(key)


def test_a_full_one_sends_everything_again(tools: InProcess, desk: Submissions, store: Store) -> None:
    ingested(tools, desk, *names(3))
    made(tools, desk)
    sent = store.parts

    second = made(tools, desk, "full")

    assert (store.parts - sent).keys() == second.parts.keys()


def test_sources_may_stay_where_they_are(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(2))
    referenced = tools.settings.model_copy(update={"backup_sources": "referenced"})
    monkeypatch.setattr(tools, "_settings", referenced)

    manifest = made(tools, desk)

    assert [(blob.key.partition("/")[0], blob.stream) for blob in blobs_of(tools, manifest)] == [
        ("sources", ""),
        ("sources", ""),
        ("texts", ""),
        ("texts", ""),
    ]
    assert "only their names" in " ".join(manifest.missing)


def test_damage_that_was_found_is_mended_once(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    word = {"at": time() - 1, "backup": first.id, "ok": False, "seconds": 1.0, "reason": "damaged-backup"}
    tools.standing.note(JobKind.VERIFY, word)

    assert [made(tools, desk).mode for _ in range(2)] == ["full", "incremental"]


def test_a_backup_that_cannot_be_read_stops_none(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    for part in first.stream(contents.BLOBS).parts:
        (tools.settings.home / "backups" / part.key).unlink()

    second = made(tools, desk)

    assert {blob.stream for blob in blobs_of(tools, second)} == {f"blobs/{second.id}-0"}


@pytest.mark.usefixtures("sliced")
def test_documents_come_and_go_meanwhile(tools: InProcess, desk: Submissions, past: None) -> None:
    ingested(tools, desk, *names(12))
    job_id, round_ = asked(desk), 0

    while not (job := step(tools, job_id)).state.final:
        if round_ < 5:
            ingested(tools, desk, f"early{round_}")
            finished(tools, brought(desk, f"isle{2 * round_:02}", f"The buoy of {round_} is striped."))
            finished(tools, desk.delete_document(COLLECTION, f"isle{2 * round_ + 1:02}").id)
        round_ += 1

    assert job.state is JobState.SUCCEEDED, job.error
    manifest = tools.vault.manifest(job_id)
    book, documents = saved(manifest), documents_of(tools, manifest)
    certain = [each for each in documents if not each.late]
    ids = {each.document.document_id for each in certain}
    assert {"isle10", "isle11"} <= ids
    assert not ids & {"early0", "isle00", "isle01"}
    assert any(each.late for each in documents)
    assert not book.quiet
    assert (book.documents, book.late) == (len(certain), len(documents) - len(certain))
    assert book.points == sum(each.document.chunks for each in certain)
    sources = {each.document.source_key for each in documents if tools.blobs.exists(each.document.source_key)}
    assert sources <= {blob.key for blob in blobs_of(tools, manifest)}


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.usefixtures("sliced")
def test_it_goes_on_where_it_was_killed(
    tools: InProcess, desk: Submissions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every single savepoint; of what was stored nothing is sent again."""
    ingested(tools, desk, *names(12))
    tries = {"max_attempts": 1000, "max_retries_per_job": 1000}
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update=tries))
    job_id, keep, kills = asked(desk), savepoint.keep, Counter[str]()

    def dying(run: object, reached: savepoint.Savepoint) -> None:
        place = f"{reached.portions} {reached.mark}"
        kills[place] += 1
        if kills[place] == 1:
            raise Killed
        keep(run, reached)
        if kills[place] == 2:
            raise Killed

    monkeypatch.setattr(savepoint, "keep", dying)
    while not job_of(tools, job_id).state.final:
        with suppress(Killed):
            step(tools, job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert len(kills) > 20
    assert set(store.parts.values()) == {1}
    assert set(store.parts) == set(tools.vault.manifest(job_id).parts)


@pytest.mark.usefixtures("sliced")
def test_it_is_begun_anew_when_the_engine_lost_its_snapshot(
    tools: InProcess, desk: Submissions, store: Store
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    while step(tools, job_id).progress.done == 0:
        continue
    sent = store.parts
    tools.snapshots.release(job_id)

    job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED, job.error
    assert set(store.parts.values()) == {1}
    assert sent


@pytest.mark.usefixtures("sliced")
def test_it_outlives_the_brokers_data(
    tools: InProcess, desk: Submissions, store: Store, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    while not store.parts:
        step(tools, job_id)
    redis_client.flushall()
    restored(tools.restoration)

    assert job_of(tools, job_id).stage is Stage.SNAPSHOT
    assert finished(tools, job_id).state is JobState.SUCCEEDED

    assert tools.vault.backups() == [job_id]
    assert tools.snapshots.taken() == ()


def test_done_once_more_it_is_the_same_backup(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault has it, the record does not: its worker died in between, and the broker lost everything."""
    ingested(tools, desk, "isle00")
    job_id = asked(desk)
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(tools.jobs, "finish", _dying)
        while True:
            step(tools, job_id)
    before = tools.vault.manifest(job_id)
    redis_client.flushall()
    restored(tools.restoration)

    job = finished(tools, job_id)

    assert job.result is not None
    assert job.result["backup"] == job_id
    assert tools.vault.manifest(job_id) == before


def _dying(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.usefixtures("sliced")
def test_a_collection_may_go_meanwhile(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    ingested(tools, desk, "soup", into=OTHER)
    job_id = asked(desk)
    step(tools, job_id)
    finished(tools, desk.drop_collection(COLLECTION).id)

    job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED, job.error
    manifest = tools.vault.manifest(job_id)
    assert [each.name for each in manifest.collections] == [EMPTY, OTHER]
    assert manifest.missing == ("collection handbook: it was dropped while the backup was made",)
    assert not any("handbook-1" in stream.name for stream in manifest.streams)


def test_an_installation_without_anything_has_a_backup(tools: InProcess, desk: Submissions) -> None:
    tools.documents.drop_collection(COLLECTION)
    tools.documents.drop_collection(EMPTY)

    manifest = made(tools, desk)

    assert manifest.collections == ()
    assert tools.vault.newest().id == manifest.id


@pytest.mark.usefixtures("sliced")
def test_it_waits_for_a_store_that_is_away(
    tools: InProcess, desk: Submissions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    store.away = True
    for _ in range(10):
        job = step(tools, job_id)
    assert (job.state, job.retries) == (JobState.QUEUED, 0)
    store.away = False

    assert finished(tools, job_id).state is JobState.SUCCEEDED

    store.away = True
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    ingested(tools, desk, "since")
    job = finished(tools, asked(desk))
    assert job.state is JobState.DEAD
    words = tools.standing.words()
    assert (words["backup"]["ok"], words["backup"]["reason"]) == (False, "unavailable")
    assert "connection refused" in words["backup"]["error"]
    assert words["backup:good"]["backup"] == job_id


@pytest.mark.usefixtures("sliced")
def test_one_at_a_time(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first, second = asked(desk), asked(desk)
    step(tools, first)

    assert step(tools, second).stage is Stage.SNAPSHOT
    assert finished(tools, first).state is JobState.SUCCEEDED
    assert finished(tools, second).state is JobState.SUCCEEDED

    assert tools.vault.backups() == [second, first]


@pytest.mark.usefixtures("sliced")
def test_a_cancelled_one_is_none(tools: InProcess, desk: Submissions) -> None:
    """What it left goes; begun again after that, it does not take it for being there."""
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    step(tools, job_id)
    while savepoint.kept(tools.jobs, job_id).portions < 3:
        step(tools, job_id)
    tools.jobs.cancel(job_id)

    pruned = finished(tools, desk.backups.prune().job.id)

    assert tools.vault.backups() == []
    assert parts_in(tools) == set()
    assert pruned.result is not None
    assert pruned.result["released"] == 1
    assert pruned.result["objects"] > 0
    tools.jobs.retry(job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert parts_in(tools) == set(tools.vault.manifest(job_id).parts)


def parts_in(tools: InProcess) -> set[str]:
    folder = tools.settings.home / "backups"
    return {str(path.relative_to(folder)) for path in folder.glob("parts/*/*")}


def aged(tools: InProcess, manifest: Manifest, days: float) -> None:
    tools.vault.seal(replace(manifest, finished_at=time() - days * DAY))


@pytest.mark.usefixtures("sliced")
def test_a_prune_leaves_what_is_needed(tools: InProcess, desk: Submissions) -> None:
    """By backups that are kept, one that is restored, and one that is being made."""
    ingested(tools, desk, *names(3))
    old, restoring = made(tools, desk), made(tools, desk)
    finished(tools, desk.delete_document(COLLECTION, "isle00").id)
    newest = made(tools, desk)
    for each in (old, restoring):
        aged(tools, each, 60)
    restore = desk.backups.restore(Restoring(restoring.id)).job.id
    ingested(tools, desk, "since")
    being_made, before = asked(desk), parts_in(tools)
    while not (sent := parts_in(tools) - before):
        step(tools, being_made)

    first = finished(tools, desk.backups.prune().job.id)
    assert sent | set(restoring.parts) <= parts_in(tools)
    tools.jobs.cancel(restore)
    assert finished(tools, being_made).state is JobState.SUCCEEDED
    second = finished(tools, desk.backups.prune().job.id)

    assert first.result is not None
    assert (first.result["kept"], first.result["removed"]) == (2, 1)
    assert second.result is not None
    assert (second.result["kept"], second.result["removed"]) == (2, 1)
    assert tools.vault.backups() == [being_made, newest.id]
    assert parts_in(tools) == {*newest.parts, *tools.vault.manifest(being_made).parts}
    assert tools.standing.words()[JobKind.PRUNE]["ok"]


def test_a_prune_removes_nothing_that_it_cannot_judge(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    manifest = made(tools, desk)
    spoiled = tools.settings.home / "backups" / "manifests" / manifest.id
    spoiled.write_bytes(spoiled.read_bytes()[:-3])

    job = finished(tools, desk.backups.prune().job.id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"manifests/{manifest.id}" in job.error["detail"]
    assert set(manifest.parts) <= parts_in(tools)
    assert not tools.standing.words()[JobKind.PRUNE]["ok"]
