"""Which nodes make the snapshots of a collection, so that together they have every shard."""

import logging
from collections.abc import Sequence

from rag.errors import AegisError, Conflict, Unavailable
from rag.stores.vectors.qdrant.members import Member, Membership
from rag.stores.vectors.qdrant.placement import Placement

log = logging.getLogger(__name__)


def makers_of(collection: str, cluster: Membership, placement: Placement) -> tuple[Member, ...]:
    """Every node that answers and is up to date in all that it holds.

    Conflict when a shard is only on nodes that QDRANT_URL does not list, Unavailable when it is on
    some that are away or have fallen behind.
    """
    makers = [member for peer, member in cluster.members.items() if placement.sound(peer)]
    missing = placement.left_out(member.peer for member in makers)
    if missing:
        raise _refusal(collection, cluster, placement, missing)
    for address in cluster.away:
        log.warning("%s is snapshot without %s; others hold its shards", collection, address)
    return tuple(makers)


def _refusal(
    collection: str, cluster: Membership, placement: Placement, missing: Sequence[int]
) -> AegisError:
    which = f"shard {', '.join(map(str, missing))} of {collection}"
    holders = {peer for shard in missing for peer in placement.replicas[shard]}
    behind = sorted(cluster.members[peer].address for peer in holders & cluster.members.keys())
    if behind:
        return Unavailable(f"{which} is not up to date on {', '.join(behind)}")
    if cluster.away:
        reasons = "; ".join(str(error) for error in cluster.away.values())
        return Unavailable(f"{which} is only on nodes that are away ({reasons})")
    return Conflict(
        f"{which} is only on nodes of the cluster that QDRANT_URL does not list "
        f"({len(cluster.members)} of {len(cluster.peers)} nodes): list the address of every node"
    )
