"""Snapshots of the stand-in's collections, in the layout of a real server's, and back. For tests only.

A tar with a folder for each shard (``0/segments/ID.tar``, ``0/wal``, …) and what the collection is. Shards
are made by qdrant-edge, whose files are those of the server, and packed by tar, which leaves out their holes.
"""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import models

from tests.qdrantlocal import LocalQdrant

_VERSION = "0.4.2"
_ALL = 1_000_000


def shard_of(point_id: str, shards: int) -> int:
    return UUID(point_id).int % shards


def packed(local: LocalQdrant, collection: str, held: Collection[int], shards: int) -> bytes:
    """A snapshot of the shards in ``held``; the others are named, and empty of files."""
    info = local.get_collection(collection)
    records, _ = local.scroll(collection, limit=_ALL, with_payload=True, with_vectors=True)
    with TemporaryDirectory() as folder:
        root = Path(folder) / "snapshot"
        for shard in range(shards):
            own = [record for record in records if shard_of(str(record.id), shards) == shard]
            _write_shard(root / str(shard), info.config, own if shard in held else None)
        config = json.loads(info.config.model_dump_json())
        config["params"]["shard_number"] = shards
        schema = {field: one.data_type.value for field, one in info.payload_schema.items()}
        (root / "config.json").write_text(json.dumps(config))
        (root / "payload_index.json").write_text(json.dumps({"schema": schema}))
        (root / "shard_key_mapping.json").write_text("[]")
        (root / "version.info").write_text(_VERSION)
        return _tar(root, Path(folder) / "whole.tar").read_bytes()


def unpacked(local: LocalQdrant, collection: str, data: bytes) -> set[int]:
    """Which shards were in the snapshot, and are in the collection after it. ValueError for what is none."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "snapshot"
        root.mkdir()
        done = subprocess.run(["tar", "-xf", "-", "-C", root], input=data, capture_output=True, check=False)
        if done.returncode:
            raise ValueError("File IO error: Malformed tar archive")
        config = json.loads((root / "config.json").read_text())
        _create(local, collection, config, json.loads((root / "payload_index.json").read_text())["schema"])
        found = {int(one.parent.name) for one in root.glob("*/segments")}
        _empty(local, collection, found, config["params"]["shard_number"])
        points = [point for shard in found for point in _points(root / str(shard), Path(folder))]
        if points:
            local.upsert(collection, points)
        return found


def _write_shard(folder: Path, config: models.CollectionConfig, records: list[models.Record] | None) -> None:
    folder.mkdir(parents=True)
    (folder / "shard_config.json").write_text('{"type":"ReplicaSet"}')
    state = {"is_local": records is not None, "this_peer_id": 1, "peers": {}}
    (folder / "replica_state.json").write_text(json.dumps(state))
    if records is None:
        return
    shard = edge.EdgeShard.create(str(folder), _edge_config(config))
    points = [edge.Point(str(one.id), _vectors(one), one.payload) for one in records]
    shard.update(edge.UpdateOperation.upsert_points(points))
    shard.flush()
    shard.close()
    (folder / "edge_config.json").unlink()
    for segment in (folder / "segments").iterdir():
        _tar(segment, segment.with_suffix(".tar"), prefix="snapshot/files")
        rmtree(segment)


def _edge_config(config: models.CollectionConfig) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={
            name: edge.EdgeVectorParams(size=params.size, distance=edge.Distance.Cosine)
            for name, params in config.params.vectors.items()
        },
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
            for name in config.params.sparse_vectors or ()
        },
    )


def _vectors(record: models.Record) -> dict[str, object]:
    return {
        name: edge.SparseVector(vector.indices, vector.values)
        if isinstance(vector, models.SparseVector)
        else vector
        for name, vector in record.vector.items()
    }


def _tar(folder: Path, target: Path, *, prefix: str = "") -> Path:
    renamed = ["--transform", f"s,^,{prefix}/,"] if prefix else []
    names = sorted(one.name for one in folder.iterdir())
    command = ["tar", "--sparse", "--format=gnu", *renamed, "-cf", target, "-C", folder, *names]
    subprocess.run(command, check=True)
    return target


def _create(local: LocalQdrant, collection: str, config: dict, schema: dict[str, str]) -> None:
    if collection in (one.name for one in local.get_collections().collections):
        return
    params = models.CollectionParams(**config["params"])
    local.create_collection(
        collection,
        vectors_config=params.vectors,
        sparse_vectors_config=params.sparse_vectors,
        metadata=config["metadata"],
    )
    for field, kind in schema.items():
        local.create_payload_index(collection, field, models.PayloadSchemaType(kind))


def _empty(local: LocalQdrant, collection: str, found: set[int], shards: int) -> None:
    records, _ = local.scroll(collection, limit=_ALL)
    old = [record.id for record in records if shard_of(str(record.id), shards) in found]
    local.remove(collection, old)


def _points(folder: Path, scratch: Path) -> list[models.PointStruct]:
    target = scratch / f"shard{folder.name}"
    edge.EdgeShard.unpack_snapshot(str(_tar(folder, target.with_suffix(".tar"))), str(target))
    shard = edge.EdgeShard.load(str(target))
    records, _ = shard.scroll(edge.ScrollRequest(None, _ALL, None, True, True))
    shard.close()
    return [models.PointStruct(id=str(one.id), vector=_read(one), payload=one.payload) for one in records]


def _read(record: edge.Record) -> dict[str, object]:
    return {
        name: models.SparseVector(indices=list(vector.indices), values=list(vector.values))
        if isinstance(vector, edge.SparseVector)
        else list(vector)
        for name, vector in record.vector.items()
    }
