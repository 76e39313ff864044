"""Making backups in this process, of what people bring and remove meanwhile."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from rag.backups import contents
from rag.backups.contents import SavedBlob, SavedDocument
from rag.backups.objects import Objects
from rag.backups.vault import read
from rag.errors import NotFound, Unavailable
from rag.model import (
    Engine,
    JobState,
    Manifest,
    SavedCollection,
    SnapshotFile,
)
from rag.vectors.edge.store import EdgeVectorStore
from tasks.submit.submissions import Ingestion, Submissions, Text
from tests.deliveries import finished
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess
from tests.integration.installations import points_in

COLLECTION, OTHER, EMPTY = "handbook", "recipes", "blank"


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

    def accepts(self, *_: object) -> bool:
        return False


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


def parts_in(tools: InProcess) -> set[str]:
    folder = tools.settings.home / "backups"
    return {str(path.relative_to(folder)) for path in folder.glob("parts/*/*")}
