"""The nodes of a cluster one by one, for what each has for itself: its snapshots.

https://api.qdrant.tech/api-reference/snapshots, and ``GET /cluster`` for who is who.
"""

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
from rag.stores.vectors.qdrant.connection import nodes_of, stream_to
from rag.stores.vectors.qdrant.errors import translated
from rag.stores.vectors.qdrant.names import UPLOADED
from rag.stores.vectors.qdrant.nodes import Nodes
from rag.stores.vectors.qdrant.placement import ALONE, Placement, placement_of

T = TypeVar("T")

_PIECE = 1024 * 1024
_BALANCED = (
    "{address} leads to several nodes of a Qdrant cluster, each of which makes snapshots of its own shards: "
    "list the address of every node in QDRANT_URL"
)


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """``size`` in bytes."""

    name: str
    size: int


class Member:
    """One node. Raises what every adapter does: NotFound is UnknownCollection here.

    ``peer``: its id in the cluster, ``ALONE`` for a server by itself.
    """

    def __init__(self, peer: str, address: str, nodes: Nodes, settings: Settings) -> None:
        self.peer, self.address = peer, address
        self._nodes, self._settings = nodes, settings

    def call(self, act: Callable[[QdrantClient], T]) -> T:
        """What ``act`` returns of this node; without patience."""
        return self._nodes.call(act, 0.0)

    def placement(self, collection: str) -> Placement:
        return placement_of(self.call(lambda client: client.collection_cluster_info(collection)), self.peer)

    def snapshots(self, collection: str) -> list[NodeSnapshot]:
        """Those that this node made or was sent, the oldest first."""
        found = self.call(lambda client: client.list_snapshots(collection))
        own = [each for each in found if self.made(collection, each.name) or each.name == UPLOADED]
        return [
            NodeSnapshot(each.name, each.size)
            for each in sorted(own, key=lambda each: (str(each.creation_time), each.name))
        ]

    def made(self, collection: str, snapshot: str) -> bool:
        """Whether a snapshot of this name is of this node: its id is part of it."""
        return self.peer == ALONE or snapshot.startswith(f"{collection}-{self.peer}-")

    def create(self, collection: str, seconds: float) -> NodeSnapshot:
        """Make a snapshot. TimedOut after ``seconds``, while the node goes on with it.

        Conflict when the address leads to now this and now that node.
        """
        here = self._told("GET", "/cluster", self._timeout).get("peer_id", ALONE)
        if self.peer not in (ALONE, str(here)):
            raise Conflict(_BALANCED.format(address=self.address))
        told = self._told("POST", _path(collection), seconds, params={"wait": "true"})
        if not self.made(collection, told["name"]):
            raise Conflict(_BALANCED.format(address=self.address))
        return NodeSnapshot(told["name"], told["size"])

    def creating(self, collection: str) -> bool:
        """Whether a snapshot of the collection is being made there."""
        told = self._told("GET", "/telemetry", self._timeout, params={"details_level": "2"})
        running = told["collections"].get("snapshots") or ()
        return any(each["id"] == collection and each.get("running_snapshots") for each in running)

    def read(self, collection: str, snapshot: str, start: int) -> Iterator[bytes]:
        """Its bytes from ``start`` on, a MB at a time."""
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        with self._exchange("GET", _path(collection, snapshot), self._timeout, headers=headers) as response:
            skipped = 0 if response.status_code == httpx.codes.PARTIAL_CONTENT else start
            for piece in response.iter_raw(_PIECE):
                yield from filter(None, (piece[skipped:],))
                skipped = max(skipped - len(piece), 0)

    def delete(self, collection: str, snapshot: str) -> None:
        self.call(lambda client: client.delete_snapshot(collection, snapshot, wait=True))

    def recover(self, collection: str, data: Iterable[bytes], size: int, seconds: float) -> None:
        """Send a snapshot of ``size`` bytes and have it take the place of the shards that it holds.

        The collection is made where it is not there. What was sent stays on the node as ``UPLOADED``.
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
        self._told("POST", _path(collection, "upload"), seconds, params=how, headers=headers, content=body)

    @property
    def _timeout(self) -> float:
        return self._settings.qdrant_timeout

    def _told(self, method: str, path: str, seconds: float, **request: Any) -> Any:
        with self._exchange(method, path, seconds, **request) as response:
            response.read()
            return response.json()["result"]

    @contextmanager
    def _exchange(self, method: str, path: str, seconds: float, **request: Any) -> Iterator[httpx.Response]:
        """An answer whose body is still to be read."""
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
    """``members`` that answer, by peer; ``away``: why the others of QDRANT_URL do not, by address.

    ``peers``: of the whole cluster, with those that QDRANT_URL does not list.
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
        """Unavailable when it does not answer."""
        if peer not in self.members:
            raise Unavailable(f"node {peer} of the Qdrant cluster answers at no address of QDRANT_URL")
        return self.members[peer]


class Members:
    """The addresses in QDRANT_URL. Opens no connection before it is asked. Safe for forks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._nodes = {
            address: nodes_of(settings.model_copy(update={"qdrant_url": address, "qdrant_grpc": False}))
            for address in settings.qdrant_addresses
        }
        self._known: dict[str, str] = {}

    def member(self, peer: str) -> Member:
        """That node, where it was last if it is there still. Unavailable when it does not answer."""
        address = self._known.get(peer)
        if address is not None and self._is_at(peer, address):
            return self._member(peer, address)
        return self.survey().member(peer)

    def survey(self) -> Membership:
        """Who answers; all are asked at once. Raises what the first met where none does."""
        with ThreadPoolExecutor(len(self._nodes)) as threads:
            answers = dict(zip(self._nodes, threads.map(self._asked, self._nodes), strict=True))
        away = {address: told for address, told in answers.items() if isinstance(told, Transient)}
        states = {address: told for address, told in answers.items() if not isinstance(told, Transient)}
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

    def _is_at(self, peer: str, address: str) -> bool:
        told = self._asked(address)
        return not isinstance(told, Transient) and told[0] == peer

    def _asked(self, address: str) -> tuple[str, frozenset[str]] | Transient:
        """Its peer id and those of all, or why it does not answer."""
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
