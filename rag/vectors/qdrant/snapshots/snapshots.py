"""``rag.ports.Snapshots`` on a Qdrant server or cluster.

A snapshot of a node has only that node's shards. So all nodes make one of each collection, at the same time,
and these snapshots must together have every shard.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rag.errors import NotFound, TimedOut, Unavailable, UnknownCollection
from rag.model import CollectionSpec, Engine, SnapshotFile
from rag.ports import Opened, VectorStore
from rag.settings import Settings
from rag.vectors.qdrant.cluster import Placement
from rag.vectors.qdrant.snapshots.claims import (
    Claim,
    all_claims,
    claims,
    claims_at,
    name_of,
    note,
    owned,
    path_of,
)
from rag.vectors.qdrant.snapshots.members import Member, Members, Membership, makers_of
from rag.vectors.qdrant.snapshots.recovery import Recovery

log = logging.getLogger(__name__)

_SHARE = 0.5
"""The part of BACKUP_STAGE_TIMEOUT in which the nodes make the snapshots of one call."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The nodes that make a snapshot of a collection.

    ``begun``: an earlier call may have started them. ``before``: the names of the snapshots that existed
    already. ``known``: the claims of all backups.
    """

    store: str
    makers: tuple[Member, ...]
    placement: Placement
    begun: bool
    before: frozenset[str]
    known: Mapping[str, Claim]


class QdrantSnapshots:
    """Safe for threads and forks. ``vectors``: the store on the same server."""

    def __init__(self, settings: Settings, vectors: VectorStore) -> None:
        self._members = Members(settings)
        self._recovery = Recovery(self._members, vectors, settings)
        self._seconds = settings.backup_stage_timeout * _SHARE

    @property
    def engine(self) -> Engine:
        return self._members.survey().engine

    def take(self, name: str, stores: Sequence[str]) -> tuple[SnapshotFile, ...]:
        """Conflict when QDRANT_URL does not lead to every shard; Unavailable while the nodes are not done."""
        cluster = self._members.survey()
        kept = {store: self._find_kept(cluster, name, store) for store in stores}
        plans = [self._plan(cluster, name, store) for store, files in kept.items() if files is None]
        work = [(plan, maker) for plan in plans for maker in plan.makers]
        with ThreadPoolExecutor(max(len(work), 1)) as threads:
            made = list(threads.map(lambda each: self._make(name, *each), work))
        for plan in plans:
            files = tuple(file for file in made if file.store == plan.store)
            self._settle(cluster, name, plan, files)
            kept[plan.store] = files
        return tuple(file for files in kept.values() for file in files or ())

    def read(self, name: str, file: SnapshotFile, start: int = 0) -> Iterator[bytes]:
        if start >= file.size:
            return
        member = self._members.member(file.node)
        try:
            yield from member.read(file.store, name_of(file), start)
        except UnknownCollection as error:
            raise NotFound(f"{file.path} of the snapshot {name} is gone: {error}") from error

    def release(self, name: str) -> None:
        """Nodes that are away or still make the snapshot keep their part; then ``taken`` still lists it."""
        cluster = self._members.survey()
        by_node = [all_claims(member) for member in cluster.members.values()]
        claimed = {store for stores in by_node for store, names in stores.items() if name in names}
        for store in sorted(claimed):
            _release(cluster, name, store)

    def taken(self) -> tuple[str, ...]:
        claimed = all_claims(self._members.survey().any)
        return tuple(sorted({name for names in claimed.values() for name in names}))

    def accepts(self, engine: Engine, files: Sequence[SnapshotFile]) -> bool:
        """False for a later Qdrant's snapshot. A single server also needs all shards in one file."""
        return self._recovery.accepts(engine, files)

    def load(
        self,
        store: str,
        spec: CollectionSpec,
        files: Sequence[tuple[SnapshotFile, Opened]],
        loaded: Callable[[int], None],
    ) -> None:
        self._recovery.load(store, spec, files, loaded)

    def _find_kept(self, cluster: Membership, name: str, store: str) -> tuple[SnapshotFile, ...] | None:
        """The files of an earlier call that finished; None without one, or when a file is gone."""
        claim = claims(cluster.any, store).get(name, Claim())
        present = [
            name_of(file) in [each.name for each in cluster.member(file.node).snapshots(store)]
            for file in claim.files or ()
        ]
        if not all(present):
            _release(cluster, name, store)
        return claim.files if present and all(present) else None

    def _plan(self, cluster: Membership, name: str, store: str) -> _Plan:
        """Choose the nodes, and write the claim. Conflict or Unavailable when they lack a shard."""
        placement = cluster.any.placement(store)
        makers = makers_of(store, cluster, placement)
        known = claims_at(cluster.members.values(), store)
        if name in known:
            return _Plan(store, makers, placement, True, known[name].before, known)
        there = frozenset(each.name for maker in makers for each in maker.snapshots(store))
        note(cluster.any, store, name, Claim(before=there))
        return _Plan(store, makers, placement, False, there, known)

    def _make(self, name: str, plan: _Plan, maker: Member) -> SnapshotFile:
        """The snapshot that an earlier call had the node make, or a new one."""
        busy = f"{maker.address} is still making a snapshot of {plan.store}"
        try:
            snapshot = None
            if plan.begun:
                if maker.creating(plan.store):
                    raise Unavailable(busy, retry_after=10)
                present = {each.name: each for each in maker.snapshots(plan.store)}
                snapshot = next((present[each] for each in owned(name, plan.known, present)), None)
            if snapshot is None:
                snapshot = maker.create(plan.store, self._seconds)
                if snapshot.name in plan.before:
                    # names have a resolution of a second: another name is needed to tell them apart
                    time.sleep(1)
                    snapshot = maker.create(plan.store, self._seconds)
        except TimedOut as error:
            raise Unavailable(busy) from error
        shards = plan.placement.shards_of(maker.peer)
        return SnapshotFile(plan.store, maker.peer, path_of(shards, snapshot.name), snapshot.size)

    def _settle(self, cluster: Membership, name: str, plan: _Plan, files: tuple[SnapshotFile, ...]) -> None:
        """Write the files to the claim. Unavailable when shards moved or fell behind in the meantime."""
        placement = cluster.any.placement(plan.store)
        for maker in plan.makers:
            before, after = (each.shards_of(maker.peer) for each in (plan.placement, placement))
            if before != after or not placement.sound(maker.peer):
                _release(cluster, name, plan.store)
                raise Unavailable(f"shards of {plan.store} moved on {maker.address} meanwhile: again, later")
        note(cluster.any, plan.store, name, Claim(files=files))


def _release(cluster: Membership, name: str, store: str) -> None:
    try:
        known = claims_at(cluster.members.values(), store)
        if name not in known:  # another process released it a moment ago
            return
        done = not cluster.away
        for member in cluster.members.values():  # also those that do not know of the claim yet
            done &= known[name].files is not None or not member.creating(store)
            for snapshot in owned(name, known, [each.name for each in member.snapshots(store)]):
                member.delete(store, snapshot)
        if done:
            note(cluster.any, store, name, None)
        else:
            log.warning("the snapshot %s of %s is not gone from every node yet", name, store)
    except UnknownCollection as error:
        log.info("the snapshot %s was removed with its collection: %s", name, error)
