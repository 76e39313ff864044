"""The single nodes of a cluster. Each makes and keeps its own snapshots.

https://api.qdrant.tech/api-reference/snapshots, and ``GET /cluster`` for the nodes' ids.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from rag.errors import Conflict, Transient, Unavailable
from rag.model import Engine
from rag.settings import Settings
from rag.vectors.payload import UPLOADED
from rag.vectors.qdrant.cluster import ALONE, Placement, placement_of
from rag.vectors.qdrant.nodes import Nodes, nodes_of, stream_to, translated

log = logging.getLogger(__name__)

T = TypeVar("T")

_PIECE = 1024 * 1024
_BALANCED = (
    "{address} leads to several nodes of a Qdrant cluster, each of which makes snapshots of its own shards: "
    "list the address of every node in QDRANT_URL"
)


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """A snapshot on a node; ``size`` in bytes."""

    name: str
    size: int


class Member:
    """One node. Raises the errors of ``translated``; a missing snapshot is UnknownCollection.

    ``peer``: its id in the cluster, ``ALONE`` for a server that is no cluster.
    """

    def __init__(self, peer: str, address: str, nodes: Nodes, settings: Settings) -> None:
        self.peer, self.address = peer, address
        self._nodes, self._settings, self._timeout = nodes, settings, settings.qdrant_timeout

    def call(self, act: Callable[[QdrantClient], T]) -> T:
        """The result of ``act`` on this node, without retries."""
        return self._nodes.call(act, 0.0)

    def placement(self, collection: str) -> Placement:
        return placement_of(self.call(lambda client: client.collection_cluster_info(collection)), self.peer)

    def snapshots(self, collection: str) -> list[NodeSnapshot]:
        """The snapshots that this node made or was sent, the oldest first."""
        found = self.call(lambda client: client.list_snapshots(collection))
        own = [each for each in found if self.made(collection, each.name) or each.name == UPLOADED]
        return [
            NodeSnapshot(each.name, each.size)
            for each in sorted(own, key=lambda each: (str(each.creation_time), each.name))
        ]

    def made(self, collection: str, snapshot: str) -> bool:
        """Whether this node made the snapshot. The server puts the node's id into the name."""
        return self.peer == ALONE or snapshot.startswith(f"{collection}-{self.peer}-")

    def create(self, collection: str, seconds: float) -> NodeSnapshot:
        """Make a snapshot. TimedOut after ``seconds``, while the node continues to make it.

        Conflict when the address leads to several nodes in turn.
        """
        # an address in front of several nodes could make a snapshot of one and read that of another
        here = self._request("GET", "/cluster", self._timeout).get("peer_id", ALONE)
        if self.peer not in (ALONE, str(here)):
            raise Conflict(_BALANCED.format(address=self.address))
        made = self._request("POST", _path(collection), seconds, params={"wait": "true"})
        if not self.made(collection, made["name"]):
            raise Conflict(_BALANCED.format(address=self.address))
        return NodeSnapshot(made["name"], made["size"])

    def creating(self, collection: str) -> bool:
        """Whether the node is making a snapshot of the collection."""
        telemetry = self._request("GET", "/telemetry", self._timeout, params={"details_level": "2"})
        running = telemetry["collections"].get("snapshots") or ()
        return any(each["id"] == collection and each.get("running_snapshots") for each in running)

    def read(self, collection: str, snapshot: str, start: int) -> Iterator[bytes]:
        """The snapshot's bytes from ``start`` on, a MB at a time."""
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        with self._exchange("GET", _path(collection, snapshot), self._timeout, headers=headers) as response:
            # a proxy may ignore the range and send the whole file
            skipped = 0 if response.status_code == httpx.codes.PARTIAL_CONTENT else start
            for piece in response.iter_raw(_PIECE):
                yield from filter(None, (piece[skipped:],))
                skipped = max(skipped - len(piece), 0)

    def delete(self, collection: str, snapshot: str) -> None:
        self.call(lambda client: client.delete_snapshot(collection, snapshot, wait=True))

    def recover(self, collection: str, data: Iterable[bytes], size: int, seconds: float) -> None:
        """Send a snapshot of ``size`` bytes, which replaces the shards that it contains.

        Makes the collection if it is missing. The snapshot stays on the node as ``UPLOADED``.
        """
        boundary = uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n"
            f'Content-Disposition: form-data; name="snapshot"; filename="{UPLOADED}"\r\n\r\n'
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        body, how = chain((head,), data, (tail,)), {"wait": "true", "priority": "snapshot"}
        self._request("POST", _path(collection, "upload"), seconds, params=how, headers=headers, content=body)

    def _request(self, method: str, path: str, seconds: float, **request: Any) -> Any:
        with self._exchange(method, path, seconds, **request) as response:
            response.read()
            return response.json()["result"]

    @contextmanager
    def _exchange(self, method: str, path: str, seconds: float, **request: Any) -> Iterator[httpx.Response]:
        """A response whose body is not read yet."""
        with (
            translated(self.address),
            stream_to(self.call(lambda client: client.http.client.host), self._settings, seconds) as client,
            client.stream(method, path, **request) as response,
        ):
            if response.is_error:
                response.read()
                raise UnexpectedResponse.for_response(response)
            yield response


@dataclass(frozen=True, slots=True)
class Membership:
    """``members`` that answer, by peer; ``away``: the errors of the other addresses in QDRANT_URL.

    ``peers``: those of the whole cluster, also those that QDRANT_URL does not list.
    """

    members: Mapping[str, Member]
    away: Mapping[str, Transient]
    peers: frozenset[str]

    @property
    def any(self) -> Member:
        return next(iter(self.members.values()))

    @property
    def engine(self) -> Engine:
        return Engine("qdrant", self.any.call(lambda client: client.info()).version)

    def member(self, peer: str) -> Member:
        """The node with this id. Unavailable when it does not answer."""
        if peer not in self.members:
            raise Unavailable(f"node {peer} of the Qdrant cluster answers at no address of QDRANT_URL")
        return self.members[peer]


class Members:
    """The nodes at the addresses in QDRANT_URL. Opens no connection before the first call. Safe for forks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._nodes = {
            address: nodes_of(settings.model_copy(update={"qdrant_url": address, "qdrant_grpc": False}))
            for address in settings.qdrant_addresses
        }
        self._known: dict[str, str] = {}

    def member(self, peer: str) -> Member:
        """The node with this id, looked for at its last address first. Unavailable without an answer."""
        address = self._known.get(peer)
        state = None if address is None else self._ask(address)
        if address is not None and isinstance(state, tuple) and state[0] == peer:
            return self._member(peer, address)
        return self.survey().member(peer)

    def survey(self) -> Membership:
        """Ask all nodes at once which of them answer. Raises the first error when none does."""
        with ThreadPoolExecutor(len(self._nodes)) as threads:
            answers = dict(zip(self._nodes, threads.map(self._ask, self._nodes), strict=True))
        away = {address: answer for address, answer in answers.items() if isinstance(answer, Transient)}
        states = {address: answer for address, answer in answers.items() if isinstance(answer, tuple)}
        if not states:
            raise next(iter(away.values()))
        members = {peer: self._member(peer, address) for address, (peer, _) in states.items()}
        self._known = {peer: member.address for peer, member in members.items()}
        return Membership(members, away, frozenset[str]().union(*(peers for _, peers in states.values())))

    def close(self) -> None:
        for nodes in self._nodes.values():
            nodes.close()

    def _member(self, peer: str, address: str) -> Member:
        return Member(peer, address, self._nodes[address], self._settings)

    def _ask(self, address: str) -> tuple[str, frozenset[str]] | Transient:
        """The node's id and the ids of all nodes, or the error."""
        try:
            status = self._nodes[address].call(lambda client: client.cluster_status(), 0.0)
        except Transient as error:
            return error
        if not isinstance(status, models.ClusterStatusOneOf1):
            return ALONE, frozenset({ALONE})
        return str(status.peer_id), frozenset(status.peers)


def _path(collection: str, snapshot: str = "") -> str:
    path = f"/collections/{quote(collection, safe='')}/snapshots"
    return f"{path}/{quote(snapshot, safe='')}" if snapshot else path


def makers_of(collection: str, cluster: Membership, placement: Placement) -> tuple[Member, ...]:
    """The nodes that make snapshots: all that answer and are up to date in everything they hold.

    Conflict when a shard is only on nodes that QDRANT_URL does not list; Unavailable when it is only on
    nodes that are away or have fallen behind.
    """
    makers = [member for peer, member in cluster.members.items() if placement.sound(peer)]
    missing = placement.left_out(member.peer for member in makers)
    if not missing:
        for address in cluster.away:
            log.warning("the snapshot of %s leaves out %s: other nodes hold its shards", collection, address)
        return tuple(makers)
    which = f"shard {', '.join(map(str, missing))} of {collection}"
    holders = {peer for shard in missing for peer in placement.replicas[shard]}
    behind = sorted(cluster.members[peer].address for peer in holders & cluster.members.keys())
    if behind:
        raise Unavailable(f"{which} is not up to date on {', '.join(behind)}")
    if cluster.away:
        reasons = "; ".join(str(error) for error in cluster.away.values())
        raise Unavailable(f"{which} is only on nodes that are away ({reasons})")
    raise Conflict(
        f"{which} is only on nodes of the cluster that QDRANT_URL does not list "
        f"({len(cluster.members)} of {len(cluster.peers)} nodes): list the address of every node"
    )
