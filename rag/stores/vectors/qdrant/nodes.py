"""The nodes of a Qdrant cluster, or the one server, behind one way to call them."""

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from qdrant_client import QdrantClient

from rag.errors import Overloaded, Transient
from rag.stores.vectors.qdrant.errors import translated

Opener: TypeAlias = Callable[[], QdrantClient]
T = TypeVar("T")


class Nodes:
    """A client for each address, made when first used, in every process anew.

    Calls go to one address for as long as it answers, then to the next. Safe for threads and
    forks. A call that fails is made again, as every call may be repeated.
    """

    def __init__(self, openers: Mapping[str, Opener], timeout: float) -> None:
        """``openers`` by address; ``timeout``: seconds in which another address is tried at all."""
        self._openers = dict(openers)
        self._addresses = tuple(openers)
        self._timeout = timeout
        self._chosen = 0
        self._open = (os.getpid(), dict[str, QdrantClient]())

    def call(self, act: Callable[[QdrantClient], T], patience: float) -> T:
        """What ``act`` returns, from the first address where it comes through.

        Every address is tried once, and then again for ``patience`` seconds. Raises what
        the last attempt met: Unavailable, Overloaded, TimedOut, or at once a Permanent.
        """
        began, attempts = time.monotonic(), 0
        while True:
            address, attempts = self._addresses[self._chosen], attempts + 1
            try:
                with translated(address):
                    return act(self._client(address))
            except Transient as error:
                self._leave(address)
                untried = attempts < len(self._addresses)
                pause = 0.0 if untried else _pause_after(error)
                limit = self._timeout if untried else patience
                if time.monotonic() - began + pause > limit:
                    raise
                time.sleep(pause)

    def close(self) -> None:
        """Close this process's connections; the next call opens new ones."""
        clients = self._clients()
        while clients:
            clients.popitem()[1].close()

    def _leave(self, address: str) -> None:
        """Turn to the next address, unless another thread has."""
        if self._addresses[self._chosen] == address:
            self._chosen = (self._chosen + 1) % len(self._addresses)

    def _client(self, address: str) -> QdrantClient:
        clients = self._clients()
        if address not in clients:
            clients.setdefault(address, self._openers[address]())
        return clients[address]

    def _clients(self) -> dict[str, QdrantClient]:
        """Of this process. A forked child leaves its parent's alone."""
        process, clients = self._open
        if process != os.getpid():
            clients = {}
            self._open = (os.getpid(), clients)
        return clients


def _pause_after(error: Transient) -> float:
    asked = error.retry_after if isinstance(error, Overloaded) else None
    return (asked or 0.0) + random.uniform(0.1, 0.5)  # noqa: S311 - jitter
