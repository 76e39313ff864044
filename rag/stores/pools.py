"""Bounded pools of connections to the server that a ``REDIS_URL`` names, for threads and for asyncio.

With Sentinels, each new connection asks them where the primary is, so that a failover needs
nothing but the reconnection that any lost connection needs.
"""

from dataclasses import dataclass
from typing import Any

from redis import BlockingConnectionPool, exceptions
from redis.asyncio import BlockingConnectionPool as AsyncPool
from redis.asyncio import connection as asynchronous
from redis.asyncio import sentinel as async_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from rag.settings.redis import Login, RedisAddress
from rag.stores.refusals import NoPrimary

Options = dict[str, Any]

# Where no-untyped-call is ignored: redis-py's pools and its Sentinel have no types.


class Sentinels(Sentinel):
    """Says why there will never be a primary: nobody knows the name, or a Sentinel refuses us."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            found: tuple[str, int] = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except MasterNotFoundError as error:
            if why := self._why(service_name):
                raise why from error
            raise
        return found

    def _why(self, name: str) -> exceptions.ConnectionError | None:
        unknown = False
        for sentinel in self.sentinels:
            try:
                if name in sentinel.sentinel_masters():
                    return None  # it is down, so there will be another
                unknown = True
            except exceptions.AuthenticationError as error:
                return NoPrimary(f"a Sentinel does not accept sentinel_password in REDIS_URL ({error})")
            except (exceptions.ConnectionError, exceptions.TimeoutError):
                continue  # another may know
        return NoPrimary(f"no Sentinel in REDIS_URL knows a primary {name!r}") if unknown else None


class PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """A bounded pool to the primary. What is closed altogether leaves the Sentinels too."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.sentinel_manager.close()


class AsyncPrimaryPool(async_sentinel.SentinelConnectionPool, AsyncPool):
    """The same for asyncio."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self.sentinel_manager.aclose()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections a pool has at most, and the seconds for one answer, and for a free connection."""

    connections: int = 20
    timeout: float = 3.0


def pool_to(address: RedisAddress, bounds: Bounds, retry: Retry) -> BlockingConnectionPool:
    """A pool for threads; nothing is sent yet."""
    options = _options(address, bounds) | {"retry": retry}
    if address.master is None:
        return BlockingConnectionPool(connection_class=_class(address), **options)  # type: ignore[no-untyped-call]
    asking = sentinel_options(address, bounds.timeout)
    sentinels = Sentinels(address.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return PrimaryPool(address.master, sentinels, ssl=address.tls is not None, **options)  # type: ignore[no-untyped-call]


def async_pool_to(
    address: RedisAddress, bounds: Bounds, retry: AsyncRetry, *, health_check: float
) -> AsyncPool:
    """A pool for asyncio. ``health_check``: see :func:`rag.stores.redis.connect_async`."""
    options = _options(address, bounds) | {"retry": retry, "health_check_interval": health_check}
    if address.master is None:
        return AsyncPool(connection_class=_async_class(address), **options)
    asking = sentinel_options(address, bounds.timeout)
    sentinels = async_sentinel.Sentinel(address.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return AsyncPrimaryPool(address.master, sentinels, ssl=address.tls is not None, **options)  # type: ignore[no-untyped-call]


def sentinel_options(address: RedisAddress, timeout: float) -> Options:
    """How a Sentinel is spoken to, as arguments of a client of any sort. One that is away is not asked
    twice: there are others."""
    secured = {"ssl": True, **address.tls} if address.tls is not None else {}
    return waits(timeout) | _named(address.sentinel_login) | secured | {"retry": None}


def _options(address: RedisAddress, bounds: Bounds) -> Options:
    """How the server is spoken to, as arguments of a pool."""
    options: Options = {"db": address.database, "health_check_interval": 10, "protocol": 2}
    options |= {"max_connections": bounds.connections, "timeout": bounds.timeout}
    options |= _named(address.login) | dict(address.tls or {})
    if address.socket is not None:
        return options | {"path": address.socket, "socket_timeout": bounds.timeout}
    if address.master is None:
        options["host"], options["port"] = address.nodes[0]
    return options | waits(bounds.timeout)


def waits(timeout: float) -> Options:
    """How long the network may take, for redis-py and kombu."""
    connect = min(timeout, 2.0)
    return {"socket_timeout": timeout, "socket_connect_timeout": connect, "socket_keepalive": True}


def _named(login: Login) -> Options:
    return {"username": login.username, "password": login.password}


def _class(address: RedisAddress) -> type[Any]:
    if address.socket is not None:
        return UnixDomainSocketConnection
    return Connection if address.tls is None else SSLConnection


def _async_class(address: RedisAddress) -> type[Any]:
    if address.socket is not None:
        return asynchronous.UnixDomainSocketConnection
    return asynchronous.Connection if address.tls is None else asynchronous.SSLConnection
