"""``rag.ports.Snapshots`` on a Qdrant server or cluster.

A node makes snapshots of what it holds itself. So every node makes one of each collection, all at the same
time, and those that are kept must together hold every shard.
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
from rag.vectors.qdrant.snapshots.members import Member, Members, Membership, NodeSnapshot, makers_of
from rag.vectors.qdrant.snapshots.recovery import Recovery

log = logging.getLogger(__name__)

_SHARE = 0.5
"""Of BACKUP_STAGE_TIMEOUT, for the nodes to make snapshots in one call."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who makes a snapshot of a collection.

    ``begun``: an earlier call may have had one made. ``before``: those that were there, by name.
    ``known``: whose the others are.
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
            made = list(threads.map(lambda each: self._made(name, *each), work))
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
        """A node that is away, or still at work for it, keeps its part; then it stays among ``taken``."""
        cluster = self._members.survey()
        told = [all_claims(member) for member in cluster.members.values()]
        for store in sorted({store for each in told for store, claimed in each.items() if name in claimed}):
            _release(cluster, name, store)

    def taken(self) -> tuple[str, ...]:
        claimed = all_claims(self._members.survey().any)
        return tuple(sorted({name for names in claimed.values() for name in names}))

    def accepts(self, engine: Engine, files: Sequence[SnapshotFile]) -> bool:
        """Not one of a later Qdrant, nor, for a server by itself, one whose shards are in several files."""
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
        """What an earlier call made to the end; None where it did not, or some of it is gone."""
        claim = claims(cluster.any, store).get(name, Claim())
        present = [
            name_of(file) in [each.name for each in cluster.member(file.node).snapshots(store)]
            for file in claim.files or ()
        ]
        if not all(present):
            _release(cluster, name, store)
        return claim.files if present and all(present) else None

    def _plan(self, cluster: Membership, name: str, store: str) -> _Plan:
        """Conflict, Unavailable where not every shard can be had."""
        placement = cluster.any.placement(store)
        makers = makers_of(store, cluster, placement)
        known = claims_at(cluster.members.values(), store)
        if name in known:
            return _Plan(store, makers, placement, True, known[name].before, known)
        there = frozenset(each.name for maker in makers for each in maker.snapshots(store))
        note(cluster.any, store, name, Claim(before=there))
        return _Plan(store, makers, placement, False, there, known)

    def _made(self, name: str, plan: _Plan, maker: Member) -> SnapshotFile:
        """The node's snapshot that an earlier call had it make, or another."""
        try:
            snapshot = self._earlier(name, plan, maker) or self._create(plan, maker)
        except TimedOut as error:
            raise Unavailable(f"{maker.address} is still making a snapshot of {plan.store}") from error
        shards = plan.placement.shards_of(maker.peer)
        return SnapshotFile(plan.store, maker.peer, path_of(shards, snapshot.name), snapshot.size)

    def _create(self, plan: _Plan, maker: Member) -> NodeSnapshot:
        """Names go by the second, so one of the same second would be taken for what was there before."""
        snapshot = maker.create(plan.store, self._seconds)
        if snapshot.name in plan.before:
            time.sleep(1)
            snapshot = maker.create(plan.store, self._seconds)
        return snapshot

    def _earlier(self, name: str, plan: _Plan, maker: Member) -> NodeSnapshot | None:
        if not plan.begun:
            return None
        if maker.creating(plan.store):
            raise Unavailable(f"{maker.address} is still making a snapshot of {plan.store}", retry_after=10)
        there = {each.name: each for each in maker.snapshots(plan.store)}
        return next((there[each] for each in owned(name, plan.known, there)), None)

    def _settle(self, cluster: Membership, name: str, plan: _Plan, files: tuple[SnapshotFile, ...]) -> None:
        """Note whose the files are, unless shards moved or fell behind while they were made."""
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
        if name not in known:  # somebody else released it just now
            return
        removed = [_remove(member, name, store, known) for member in cluster.members.values()]
        if all(removed) and not cluster.away:
            note(cluster.any, store, name, None)
        else:
            log.warning("the snapshot %s of %s is not gone from every node yet", name, store)
    except UnknownCollection as error:
        log.info("the snapshot %s has gone with its collection: %s", name, error)


def _remove(member: Member, name: str, store: str, known: Mapping[str, Claim]) -> bool:
    """Whether the node keeps nothing of it, and will not. It need not know of the claim itself yet."""
    idle = known[name].files is not None or not member.creating(store)
    for snapshot in owned(name, known, [each.name for each in member.snapshots(store)]):
        member.delete(store, snapshot)
    return idle
