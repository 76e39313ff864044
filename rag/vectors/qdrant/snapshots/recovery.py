"""A collection out of a snapshot, which is sent to the nodes as it is.

A cluster makes the collection at the first upload, and spreads its shards as it would any other's. A node
takes every shard that is in an upload, and the other nodes that hold it follow (``priority=snapshot``). So a
few uploads that together have every shard are enough, whatever nodes there were, and are.

A file out of bytes that come in pieces, for what reads files.
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
    """Reads ``pieces`` one after the other; nothing is read ahead."""

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

    def drain(self) -> None:
        """Read what is left, for whoever counts it."""
        for _ in self._pieces:
            continue


Part = tuple[SnapshotFile, Opened]

_LOOK_SECONDS, _STEADY = 0.3, 4
"""How often it is looked whether the nodes are done, and how often in a row they have to be."""

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
            self._send(cluster, store, parts, loaded)
            self._vectors.ensure(store, spec)
            undo.pop_all()
        loaded(sum(file.size for file, _ in files))

    def _send(
        self, cluster: Membership, store: str, parts: Sequence[Part], loaded: Callable[[int], None]
    ) -> None:
        members, progress = list(cluster.members.values()), _Progress(loaded)
        for number, part in enumerate(parts):
            member = members[number % len(members)]
            self._upload(member, store, part, progress)
            self._wait_until_whole(cluster, store, progress)
        adopt(cluster.any, store)

    def _upload(self, member: Member, store: str, part: Part, progress: "_Progress") -> None:
        file, opened = part
        try:
            member.recover(store, progress.through(file, opened(0)), file.size, self._seconds)
        except AegisError as error:
            if isinstance(error.__cause__, UnexpectedResponse):
                _check_archive(file, opened(0))
            raise
        member.delete(store, UPLOADED)

    def _wait_until_whole(self, cluster: Membership, store: str, progress: "_Progress") -> None:
        """On the nodes that answer; one that is away is brought up to date when it is back.

        The others fall behind the node that took the snapshot a moment after it has.
        """
        deadline, looks = time.monotonic() + self._seconds, 0
        while looks < _STEADY and ALONE not in cluster.members:
            looks = looks + 1 if cluster.any.placement(store).whole_on(cluster.members) else 0
            progress.tell()
            if time.monotonic() > deadline:
                raise Unavailable(f"the nodes are still copying shards of {store} to one another")
            time.sleep(_LOOK_SECONDS)


class _Progress:
    """``loaded`` is told how many bytes went through, of one file after another."""

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
        """Again."""
        self._loaded(self._bytes)


def _release_of(version: str) -> tuple[int, ...]:
    """Major and minor."""
    return tuple(int(number) for number in version.split(".")[:2])


def _check_archive(file: SnapshotFile, data: Iterator[bytes]) -> None:
    """DamagedBackup for what is no tar archive to its end."""
    try:
        with tarfile.open(fileobj=BufferedReader(PieceFile(data), _BLOCK), mode="r|") as archive:
            for _ in archive:
                pass
    except tarfile.TarError as error:
        raise DamagedBackup(f"{file.path} of {file.store} is no snapshot of a collection: {error}") from error
