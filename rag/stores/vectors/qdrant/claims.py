"""Which snapshots on the nodes belong to which backup: noted in the metadata of the collection itself.

The server names snapshots by the clock. So before the first is made it is noted which were there, and
when all are made, which they are. Whoever ends in between leaves snapshots that are known by not having
been there before; an operator's own are never touched once the backup's are known by name.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qdrant_client import models

from rag.errors import UnknownCollection
from rag.model import SnapshotFile
from rag.stores.vectors.qdrant.layout import is_ours, mark_of
from rag.stores.vectors.qdrant.members import Member, Members
from rag.stores.vectors.qdrant.names import MARK, UPLOADED

log = logging.getLogger(__name__)

_KEY = "aegis-snapshot:"


@dataclass(frozen=True, slots=True)
class Claim:
    """``before``: the snapshots that were there; ``files``: those that were made, None until all are."""

    before: frozenset[str] = frozenset()
    files: tuple[SnapshotFile, ...] | None = None

    def owns(self, snapshot: str) -> bool:
        if self.files is not None:
            return any(name_of(file) == snapshot for file in self.files)
        return snapshot not in self.before


def claims(member: Member, collection: str) -> dict[str, Claim]:
    """By name of the backup."""
    return claims_of(member.call(lambda client: client.get_collection(collection)).config.metadata)


def all_claims(member: Member) -> dict[str, dict[str, Claim]]:
    """Those of every collection of ours, by its name."""
    names = member.call(lambda client: [one.name for one in client.get_collections().collections])
    found = {name: _info(member, name) for name in names}
    return {name: claims_of(info.config.metadata) for name, info in found.items() if info and is_ours(info)}


def claims_at(members: Iterable[Member], collection: str) -> dict[str, Claim]:
    """What any of the nodes knows. A claim is noted on one, and reaches the others by consensus, which on a
    busy machine may be after its snapshots were made and read: of two forms the one with files is later."""
    known: dict[str, Claim] = {}
    for member in members:
        for name, claim in claims(member, collection).items():
            if name not in known or known[name].files is None:
                known[name] = claim
    return known


def note(member: Member, collection: str, name: str, claim: Claim | None) -> None:
    """``claim`` None takes it away."""
    change = {_KEY + name: None if claim is None else _fields(claim)}
    member.call(lambda client: client.update_collection(collection, metadata=change))


def adopt(member: Member, collection: str) -> None:
    """Make a collection that was another's ours under its own name, and nobody's snapshots its."""
    info = member.call(lambda client: client.get_collection(collection))
    forgotten = dict.fromkeys(key for key in info.config.metadata or () if key.startswith(_KEY))
    change = {MARK: {**mark_of(collection, info), "name": collection}, **forgotten}
    member.call(lambda client: client.update_collection(collection, metadata=change))


def clear(members: Members, collection: str, info: models.CollectionInfo) -> None:
    """Remove the snapshots of ours, before the collection goes: then nobody can list them any more."""
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
    """By name of the backup."""
    return {
        key.removeprefix(_KEY): _claim(fields)
        for key, fields in (metadata or {}).items()
        if key.startswith(_KEY) and fields is not None
    }


def owned(name: str, claims: Mapping[str, Claim], snapshots: Iterable[str]) -> list[str]:
    """Those of ``snapshots`` that are this backup's; of what is known by no name, what can be no other's."""
    own = claims[name]
    others = [claim for other, claim in claims.items() if other != name and own.files is None]
    return [
        snapshot
        for snapshot in snapshots
        if own.owns(snapshot) and snapshot != UPLOADED and not any(claim.owns(snapshot) for claim in others)
    ]


def path_of(shards: Iterable[int], snapshot: str) -> str:
    """The path of a SnapshotFile: what is in it, and its name on the node."""
    return f"{','.join(map(str, shards))}/{snapshot}"


def name_of(file: SnapshotFile) -> str:
    """Of the snapshot on its node."""
    return file.path.rpartition("/")[2]


def shards_in(file: SnapshotFile) -> frozenset[int]:
    return frozenset(map(int, file.path.partition("/")[0].split(",")))


def _info(member: Member, collection: str) -> models.CollectionInfo | None:
    """None where it was dropped a moment ago."""
    try:
        return member.call(lambda client: client.get_collection(collection))
    except UnknownCollection:
        return None


def _claim(fields: Mapping[str, Any]) -> Claim:
    files = fields["files"]
    return Claim(
        before=frozenset(fields["before"]),
        files=None if files is None else tuple(SnapshotFile(**file) for file in files),
    )


def _fields(claim: Claim) -> dict[str, Any]:
    files = None if claim.files is None else [asdict(file) for file in claim.files]
    return {"before": sorted(claim.before), "files": files}
