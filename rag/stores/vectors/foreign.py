"""Snapshots of either engine, opened here and read point by point.

A collection's snapshot on a Qdrant server is a tar archive with a folder for each shard of a node,
whose segments are archives again; qdrant-edge unpacks and opens such a folder. Replicas bring the
same points twice.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

import qdrant_edge as edge

from rag.errors import DamagedBackup, ErrorTable, Unavailable, translated
from rag.model import CollectionSpec, Engine, Point, SnapshotFile
from rag.ports import Opened
from rag.stores.vectors.archives import packing
from rag.stores.vectors.archives.incoming import Incoming
from rag.stores.vectors.folders import CollectionFolder
from rag.stores.vectors.shard import Shard
from rag.stores.vectors.tokens import TokenVectors

_BATCH = 64
_LOG, _SEGMENTS = "wal/", "segments/"
_ERRORS: ErrorTable = {tarfile.TarError: DamagedBackup, OSError: Unavailable}


def opened(
    engine: Engine,
    spec: CollectionSpec,
    files: Sequence[tuple[SnapshotFile, Opened]],
    folder: Path,
    loaded: Callable[[int], None],
) -> Iterator[Sequence[Point]]:
    """The points of a collection's snapshot that ``engine`` made, in batches.

    ``folder`` is empty, and is left to the caller with whatever lies in it then. ``loaded`` is told how
    many bytes were read. DamagedBackup for what cannot be opened; Unavailable when the disk is full.
    """
    incoming = Incoming(files, loaded)
    with translated(_ERRORS, "reading a snapshot"):
        if engine.kind == "qdrant":
            yield from _of_server(incoming, spec, folder)
        else:
            yield from _of_edge(incoming, CollectionFolder("snapshot", spec, folder))


def opened_shard(path: Path) -> Shard:
    """DamagedBackup when the engine cannot open it."""
    try:
        return Shard(path)
    except Unavailable as error:
        raise DamagedBackup(f"no engine can open the saved shard: {error}") from error


def _of_edge(incoming: Incoming, place: CollectionFolder) -> Iterator[Sequence[Point]]:
    packing.unpack(incoming, place)
    dimension = place.spec.token_dimension
    tokens = TokenVectors(place.tokens, dimension) if dimension else None
    try:
        for points in _batches(place.shard, None):
            found = tokens.get([point.passage.chunk_id for point in points]) if tokens else {}
            yield [replace(point, tokens=found.get(point.passage.chunk_id)) for point in points]
    finally:
        if tokens:
            tokens.close()


def _of_server(incoming: Incoming, spec: CollectionSpec, folder: Path) -> Iterator[Sequence[Point]]:
    for _, stream in incoming:
        for archive in _shards(stream, folder):
            shard = archive.with_suffix("")
            _unpack(archive, shard)
            archive.unlink()
            yield from _batches(shard, spec.token_dimension)
            rmtree(shard)


def _unpack(archive: Path, shard: Path) -> None:
    with translated({Exception: DamagedBackup}, "the saved shard"):  # qdrant-edge raises nothing closer
        edge.EdgeShard.unpack_snapshot(str(archive), str(shard))


def _batches(path: Path, token_dimension: int | None) -> Iterator[list[Point]]:
    shard = opened_shard(path)
    try:
        after = None
        while points := shard.scroll(after, _BATCH, token_dimension):
            yield points
            after = points[-1].passage.chunk_id
    finally:
        shard.close()


def _shards(stream: BinaryIO, folder: Path) -> list[Path]:
    """An archive of each shard in a node's snapshot, without the log: it holds nothing more.

    A shard that the node knows of and does not hold has no segments.
    """
    archives: dict[Path, tarfile.TarFile] = {}
    held = set[Path]()
    with ExitStack() as stack, tarfile.open(fileobj=stream, mode="r|") as snapshot:
        for member in snapshot:
            number, _, name = member.name.partition("/")
            if not (number.isdigit() and member.isfile()) or name.startswith(_LOG):
                continue
            path = folder / f"{number}.tar"
            if path not in archives:
                archives[path] = stack.enter_context(tarfile.open(path, "w"))
            copied = tarfile.TarInfo(name)
            copied.size = member.size
            archives[path].addfile(copied, snapshot.extractfile(member))
            if name.startswith(_SEGMENTS):
                held.add(path)
    if not archives:
        raise DamagedBackup("the snapshot of a node has no shard in it")
    return sorted(held)
