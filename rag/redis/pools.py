"""Bounded pools of connections to the server that a ``REDIS_URL`` names, for threads and for asyncio.

With Sentinels, each new connection asks them where the primary is, so that a failover needs
nothing but the reconnection that any lost connection needs. The second part of this module says
why a server that was reached refuses us, and what to change.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import BlockingConnectionPool, exceptions
from redis.asyncio import BlockingConnectionPool as AsyncPool
from redis.asyncio import connection as asynchronous
from redis.asyncio import sentinel as async_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from rag.settings.redis_url import Login, RedisAddress

Options = dict[str, Any]

# Where no-untyped-call is ignored: redis-py's pools and its Sentinel have no types.


class Sentinels(Sentinel):
    """Tells when there will never be a primary: no Sentinel knows its name, or one refuses us."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            found: tuple[str, int] = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except MasterNotFoundError as error:
            if reason := self._lasting_reason(service_name):
                raise NoPrimary(reason) from error
            raise
        return found

    def _lasting_reason(self, name: str) -> str | None:
        unknown = False
        for sentinel in self.sentinels:
            try:
                if name in sentinel.sentinel_masters():
                    return None  # the primary is down, so another will take over
                unknown = True
            except exceptions.AuthenticationError as error:
                return f"a Sentinel does not accept sentinel_password in REDIS_URL ({error})"
            except (exceptions.ConnectionError, exceptions.TimeoutError):
                continue  # ask the others
        return f"no Sentinel in REDIS_URL knows a primary {name!r}" if unknown else None


class PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """A bounded pool to the primary. Closing it entirely also closes the connections to the Sentinels."""

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
    """A pool's most ``connections``; ``timeout``: seconds for an answer, and for a free connection."""

    connections: int = 20
    timeout: float = 3.0


def pool_to(address: RedisAddress, bounds: Bounds, retry: Retry) -> BlockingConnectionPool:
    """A pool for threads; nothing is sent yet."""
    options = _options(address, bounds) | {"retry": retry}
    if address.master is None:
        kind: type[Any] = Connection if address.tls is None else SSLConnection
        kind = UnixDomainSocketConnection if address.socket is not None else kind
        return BlockingConnectionPool(connection_class=kind, **options)  # type: ignore[no-untyped-call]
    asking = sentinel_options(address, bounds.timeout)
    sentinels = Sentinels(address.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return PrimaryPool(address.master, sentinels, ssl=address.tls is not None, **options)  # type: ignore[no-untyped-call]


def async_pool_to(
    address: RedisAddress, bounds: Bounds, retry: AsyncRetry, *, health_check: float
) -> AsyncPool:
    """A pool for asyncio. ``health_check``: see :func:`rag.redis.connection.connect_async`."""
    options = _options(address, bounds) | {"retry": retry, "health_check_interval": health_check}
    if address.master is None:
        kind: type[Any] = asynchronous.Connection if address.tls is None else asynchronous.SSLConnection
        kind = asynchronous.UnixDomainSocketConnection if address.socket is not None else kind
        return AsyncPool(connection_class=kind, **options)
    asking = sentinel_options(address, bounds.timeout)
    sentinels = async_sentinel.Sentinel(address.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return AsyncPrimaryPool(address.master, sentinels, ssl=address.tls is not None, **options)  # type: ignore[no-untyped-call]


def sentinel_options(address: RedisAddress, timeout: float) -> Options:
    """Arguments of any kind of client for the connection to a Sentinel.

    It makes no second attempt at one that is away: there are others.
    """
    tls = {"ssl": True, **address.tls} if address.tls is not None else {}
    return timeouts(timeout) | _login_options(address.sentinel_login) | tls | {"retry": None}


def _options(address: RedisAddress, bounds: Bounds) -> Options:
    """Arguments of a pool for the connection to the server."""
    options: Options = {"db": address.database, "health_check_interval": 10, "protocol": 2}
    options |= {"max_connections": bounds.connections, "timeout": bounds.timeout}
    options |= _login_options(address.login) | dict(address.tls or {})
    if address.socket is not None:
        return options | {"path": address.socket, "socket_timeout": bounds.timeout}
    if address.master is None:
        options["host"], options["port"] = address.nodes[0]
    return options | timeouts(bounds.timeout)


def timeouts(timeout: float) -> Options:
    """Time limits of the network, for redis-py and kombu."""
    connect = min(timeout, 2.0)
    return {"socket_timeout": timeout, "socket_connect_timeout": connect, "socket_keepalive": True}


def _login_options(login: Login) -> Options:
    return {"username": login.username, "password": login.password}


_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
_MAX_CAUSES = 10
_NO_CERTIFICATE = "CERTIFICATE_REQUIRED"
_WITH_TLS = "if it speaks TLS, REDIS_URL must begin with rediss:// or sentinels://"
_WITHOUT_TLS = "if it speaks no TLS, REDIS_URL must begin with redis:// or sentinel://"
_GUESSES = {
    "Connection closed by server": _WITH_TLS,
    "Connection reset by peer": _WITH_TLS,
    "handshake operation timed out": _WITHOUT_TLS,
    "EOF occurred": "if it asks for a client's certificate: ssl_certfile and ssl_keyfile in REDIS_URL",
}


class NoPrimary(exceptions.ConnectionError):
    """The Sentinels answer and will never name a primary; the message says what to change."""


def refusal(error: RedisError) -> str | None:
    """What to change when the server refuses us for good; None for any other failure."""
    cause = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    match error:
        case NoPrimary():
            return str(error)
        case exceptions.AuthenticationError():
            return f"the server does not accept the user and password in REDIS_URL ({error})"
        case exceptions.NoPermissionError():
            return f"the user in REDIS_URL may do less than is needed ({error}): see docs/reference/redis.md"
        case exceptions.MovedError():
            return "REDIS_URL names a node of a cluster that does not hold {aegis}: name the one that does"
    return _tls_refusal(cause) if cause else None


def hint(error: RedisError) -> str:
    """What went wrong, and the likely reason when the server closed the connection without an answer."""
    if isinstance(error, MasterNotFoundError | AsyncMasterNotFoundError):
        return "the Sentinels name no primary: a failover is under way, or none of them answers"
    chain = " ".join(map(str, _causes(error)))
    guess = next((guess for sign, guess in _GUESSES.items() if sign in chain), None)
    said = str(error) or type(error).__name__
    return f"{said} ({guess})" if guess else said


def _tls_refusal(cause: ssl.SSLError) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not trusted ({cause.verify_message}): REDIS_CA_FILE must hold its "
            "authority's, and REDIS_URL a name that it is for"
        )
    reason = cause.reason or ""
    if reason in _NO_TLS:
        return "the server speaks no TLS: redis:// or sentinel:// in REDIS_URL, or another port"
    if _NO_CERTIFICATE in reason:
        return "the server asks for a client's certificate: ssl_certfile and ssl_keyfile in REDIS_URL"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, the cause's cause, and so on."""
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
