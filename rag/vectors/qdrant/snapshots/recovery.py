"""Restores a collection from snapshots, which are sent to the nodes unchanged.

A cluster makes the collection at the first upload, and places its shards as it does for any collection. A
node takes every shard in an upload, and the other nodes that hold it copy it (``priority=snapshot``). So a
few uploads that together have every shard are enough, also for a cluster of other nodes than before.
"""

import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING

from qdrant_client.http.exceptions import UnexpectedResponse

from rag.errors import AegisError, DamagedBackup, Unavailable
from rag.model import CollectionSpec, Engine, SnapshotFile
from rag.ports import Opened, VectorStore
from rag.settings import Settings
from rag.vectors.payload import UPLOADED
from rag.vectors.qdrant.cluster import ALONE, covering
from rag.vectors.qdrant.snapshots.claims import adopt, shards_in
from rag.vectors.qdrant.snapshots.members import Member, Members, Membership

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PieceFile(RawIOBase):
    """A file for tarfile that reads ``pieces`` one after the other, and none ahead."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = filter(None, pieces), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer)
        self._left = self._left or memoryview(next(self._pieces, b""))
        length = min(len(room), len(self._left))
        room[:length], self._left = self._left[:length], self._left[length:]
        return length


Part = tuple[SnapshotFile, Opened]

_LOOK_SECONDS, _STEADY = 0.3, 4
"""Seconds between looks at the nodes, and how many looks in a row must find them done."""

_BLOCK = 1024 * 1024


class Recovery:
    """``vectors``: the store on the same server."""

    def __init__(self, members: Members, vectors: VectorStore, settings: Settings) -> None:
        self._members, self._vectors = members, vectors
        self._seconds = settings.backup_stage_timeout

    def accepts(self, engine: Engine, files: Sequence[SnapshotFile]) -> bool:
        """As ``rag.ports.Snapshots`` has it. Storage changes with a major or minor version."""
        cluster = self._members.survey()
        own, alone = cluster.engine, ALONE in cluster.members
        if not files or engine.kind != own.kind or _release_of(engine.version) > _release_of(own.version):
            return False
        return not alone or len(covering(list(map(shards_in, files)))) == 1

    def load(
        self, store: str, spec: CollectionSpec, files: Sequence[Part], loaded: Callable[[int], None]
    ) -> None:
        """As ``rag.ports.Snapshots`` has it."""
        cluster = self._members.survey()
        parts = [files[number] for number in covering([shards_in(file) for file, _ in files])]
        self._vectors.drop(store)
        with ExitStack() as undo:
            undo.callback(self._vectors.drop, store)
            members, progress = list(cluster.members.values()), _Progress(loaded)
            for number, part in enumerate(parts):
                self._upload(members[number % len(members)], store, part, progress)
                self._wait_until_whole(cluster, store, progress)
            adopt(cluster.any, store)
            self._vectors.ensure(store, spec)
            undo.pop_all()
        loaded(sum(file.size for file, _ in files))

    def _upload(self, member: Member, store: str, part: Part, progress: "_Progress") -> None:
        """Send the snapshot. DamagedBackup when the node refuses it and it is no whole tar archive."""
        file, opened = part
        try:
            member.recover(store, progress.through(file, opened(0)), file.size, self._seconds)
        except AegisError as refusal:
            if isinstance(refusal.__cause__, UnexpectedResponse):
                _check_archive(file, opened(0))
            raise
        member.delete(store, UPLOADED)

    def _wait_until_whole(self, cluster: Membership, store: str, progress: "_Progress") -> None:
        """Wait until the nodes that answer hold all shards. A node that is away copies them when it is back.

        The others count as up to date until a moment after the upload, so one look is not enough.
        """
        deadline, looks = time.monotonic() + self._seconds, 0
        while looks < _STEADY and ALONE not in cluster.members:
            looks = looks + 1 if cluster.any.placement(store).whole_on(cluster.members) else 0
            progress.tell()
            if time.monotonic() > deadline:
                raise Unavailable(f"the nodes are still copying shards of {store} to one another")
            time.sleep(_LOOK_SECONDS)


class _Progress:
    """Calls ``loaded`` with the number of bytes sent so far, over all files."""

    def __init__(self, loaded: Callable[[int], None]) -> None:
        self._loaded, self._bytes = loaded, 0

    def through(self, file: SnapshotFile, data: Iterable[bytes]) -> Iterator[bytes]:
        """The file's bytes. DamagedBackup unless there are as many as there should be."""
        end = self._bytes + file.size
        for piece in data:
            self._bytes += len(piece)
            if self._bytes > end:
                break
            self.tell()
            yield piece
        if self._bytes != end:
            raise DamagedBackup(f"{file.path} of {file.store} has not the {file.size} bytes that it had")

    def tell(self) -> None:
        """Call ``loaded`` again, which shows that the work goes on."""
        self._loaded(self._bytes)


def _release_of(version: str) -> tuple[int, ...]:
    """Major and minor."""
    return tuple(int(number) for number in version.split(".")[:2])


def _check_archive(file: SnapshotFile, data: Iterator[bytes]) -> None:
    """DamagedBackup unless the data is a whole tar archive."""
    try:
        with tarfile.open(fileobj=BufferedReader(PieceFile(data), _BLOCK), mode="r|") as archive:
            for _ in archive:
                pass
    except tarfile.TarError as error:
        raise DamagedBackup(f"{file.path} of {file.store} is no snapshot of a collection: {error}") from error
