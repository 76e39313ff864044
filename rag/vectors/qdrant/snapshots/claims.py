"""Claims, in a collection's metadata: which snapshots on the nodes belong to which backup.

The server chooses the names of snapshots, by the clock. So before the first snapshot is made, the claim
lists those that exist; when all are made, it lists the new ones. If a process dies in between, the
snapshots that did not exist before count as the backup's. Once its files are named, no other is removed.
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from pydantic import TypeAdapter
from qdrant_client import models

from rag.errors import UnknownCollection
from rag.model import SnapshotFile
from rag.vectors.payload import MARK, UPLOADED
from rag.vectors.qdrant.layouts import is_ours, mark_of
from rag.vectors.qdrant.snapshots.members import Member, Members

log = logging.getLogger(__name__)

_KEY = "aegis-snapshot:"


@dataclass(frozen=True, slots=True)
class Claim:
    """``before``: the snapshots that existed before; ``files``: the backup's, None until all are made."""

    before: frozenset[str] = frozenset()
    files: tuple[SnapshotFile, ...] | None = None

    def owns(self, snapshot: str) -> bool:
        if self.files is not None:
            return any(name_of(file) == snapshot for file in self.files)
        return snapshot not in self.before


_CLAIM = TypeAdapter(Claim)


def claims(member: Member, collection: str) -> dict[str, Claim]:
    """The claims on the collection, by the name of the backup."""
    return claims_of(member.call(lambda client: client.get_collection(collection)).config.metadata)


def all_claims(member: Member) -> dict[str, dict[str, Claim]]:
    """The claims on every collection of ours, by its name."""
    names = member.call(lambda client: [one.name for one in client.get_collections().collections])
    found = {}
    for name in names:
        with suppress(UnknownCollection):  # it was dropped a moment ago
            info: models.CollectionInfo = member.call(methodcaller("get_collection", name))
            if is_ours(info):
                found[name] = claims_of(info.config.metadata)
    return found


def claims_at(members: Iterable[Member], collection: str) -> dict[str, Claim]:
    """The claims that any node knows. Where nodes know different forms, the one with files.

    A claim is written on one node and reaches the others by consensus. On a busy machine this can take
    longer than to make and read its snapshots. The form with files is the later one.
    """
    known: dict[str, Claim] = {}
    for member in members:
        for name, claim in claims(member, collection).items():
            if name not in known or known[name].files is None:
                known[name] = claim
    return known


def note(member: Member, collection: str, name: str, claim: Claim | None) -> None:
    """Write the claim of the backup ``name``; None removes it."""
    change = {_KEY + name: None if claim is None else _CLAIM.dump_python(claim, mode="json")}
    member.call(lambda client: client.update_collection(collection, metadata=change))


def adopt(member: Member, collection: str) -> None:
    """Mark a collection recovered from a snapshot with its own name, and remove the snapshot's claims."""
    info = member.call(lambda client: client.get_collection(collection))
    forgotten = dict.fromkeys(key for key in info.config.metadata or () if key.startswith(_KEY))
    change = {MARK: {**mark_of(collection, info), "name": collection}, **forgotten}
    member.call(lambda client: client.update_collection(collection, metadata=change))


def clear(members: Members, collection: str, info: models.CollectionInfo) -> None:
    """Remove our snapshots before the collection is dropped: afterwards nobody can list them."""
    claimed = claims_of(info.config.metadata)
    if not claimed and mark_of(collection, info)["name"] == collection:
        return
    cluster = members.survey()
    for address in cluster.away:
        log.warning("%s is away: it may keep snapshots of %s", address, collection)
    for member in cluster.members.values():
        for snapshot in member.snapshots(collection):
            if snapshot.name == UPLOADED or any(claim.owns(snapshot.name) for claim in claimed.values()):
                member.delete(collection, snapshot.name)


def claims_of(metadata: Mapping[str, Any] | None) -> dict[str, Claim]:
    """The claims in a collection's metadata, by the name of the backup."""
    return {
        key.removeprefix(_KEY): _CLAIM.validate_python(fields)
        for key, fields in (metadata or {}).items()
        if key.startswith(_KEY) and fields is not None
    }


def owned(name: str, claims: Mapping[str, Claim], snapshots: Iterable[str]) -> list[str]:
    """The backup's among ``snapshots``; before its files are known, those that no other backup claims."""
    own = claims[name]
    others = [claim for other, claim in claims.items() if other != name and own.files is None]
    return [
        snapshot
        for snapshot in snapshots
        if own.owns(snapshot) and snapshot != UPLOADED and not any(claim.owns(snapshot) for claim in others)
    ]


def path_of(shards: Iterable[int], snapshot: str) -> str:
    """The path of a SnapshotFile: its shards, and its name on the node."""
    return f"{','.join(map(str, shards))}/{snapshot}"


def name_of(file: SnapshotFile) -> str:
    """The snapshot's name on its node."""
    return file.path.rpartition("/")[2]


def shards_in(file: SnapshotFile) -> frozenset[int]:
    return frozenset(map(int, file.path.partition("/")[0].split(",")))
