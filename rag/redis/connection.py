"""Connections to Redis or Valkey, the translation of their errors, and the Lua scripts that run there.

All keys of Aegis in Redis begin with ``{aegis}:``. The braces are a cluster's
hash tag: all keys share one slot, so a script may change several of them in one step.
Scripts take the time from the server (``TIME``), so that no machine's clock matters.

A server that lost its records must not answer as if there were none. So every script begins with
``fence.lua``, which refuses until ``rag.recovery.recovery`` has rebuilt them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import redis as driver
from redis import exceptions
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.commands.core import Script
from redis.retry import Retry

from rag.errors import ErrorTable, Overloaded, Recovering, Refused, Unavailable, translated
from rag.redis.lua import script_texts
from rag.redis.pools import Bounds, async_pool_to, hint, pool_to, refusal
from rag.settings import Settings
from rag.settings.redis_url import RedisAddress
from rag.telemetry.round_trips import round_trip

PREFIX = "{aegis}:"
CHANGES = f"{PREFIX}changes"
ENDS = f"{PREFIX}ends"

ERRORS: ErrorTable = {
    exceptions.OutOfMemoryError: Overloaded,
    exceptions.ReadOnlyError: Unavailable,
    exceptions.TryAgainError: Unavailable,
    exceptions.ClusterDownError: Unavailable,
}
_NOT_SERVED = (
    exceptions.TimeoutError,
    exceptions.ConnectionError,
    exceptions.NoPermissionError,
    exceptions.MovedError,
)
_AMNESIC = "AMNESIC "
_RECOVERY_SECONDS = 2.0
_IN_PIPELINE = " of pipeline caused error: "
_CANNOT_WRITE = ("MISCONF", "NOREPLICAS", "UNKILLABLE", "BUSY")


def connect(settings: Settings) -> driver.Redis:
    """A client of the server that the settings name."""
    return connect_to(settings.records_url, connections=settings.connection_pool_size)


def connect_to(url: str, *, connections: int = 20, timeout: float = 3.0) -> driver.Redis:
    """A client with a bounded pool; bytes in, bytes out. Nothing is sent yet.

    ``url``: any form of ``REDIS_URL``. ``timeout``: seconds for one answer.
    A command is retried three times within a second after a lost connection, never after a
    timeout: a second copy of a slow command makes the server slower.
    """
    retry = Retry(_backoff(), 3, supported_errors=(exceptions.ConnectionError,))
    return driver.Redis.from_pool(pool_to(RedisAddress.of(url), Bounds(connections, timeout), retry))


def connect_async(
    url: str, *, connections: int = 20, timeout: float = 3.0, health_check: float = 10
) -> AsyncRedis:
    """The same for asyncio, without retries.

    ``health_check``: idle seconds after which a connection is checked before its next use; 0: never.
    """
    retry = AsyncRetry(_backoff(), 0, supported_errors=(exceptions.ConnectionError,))
    bounds = Bounds(connections, timeout)
    return AsyncRedis.from_pool(async_pool_to(RedisAddress.of(url), bounds, retry, health_check=health_check))


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.05, cap=0.5)


def expire_within(client: driver.Redis, key: str, seconds: float) -> None:
    """Make ``key`` expire within ``seconds``.

    Redis expires keys at a time of day, so a key that was set before the clock was set back
    would live too long.
    """
    most = max(1, round(seconds * 1000))
    if client.pttl(key) > most:
        client.pexpire(key, most)


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Translate the driver's errors into ours; a server that cannot write now is Unavailable too.

    Refused when the server, or a Sentinel, answers and refuses us.
    """
    with translated(ERRORS, "Redis"):
        try:
            with round_trip():
                yield
        except _NOT_SERVED as error:
            if why := refusal(error):
                raise Refused(f"Redis: {why}") from error
            raise Unavailable(f"Redis: {hint(error)}") from error
        except exceptions.ResponseError as error:
            said = str(error)
            if said.startswith("Command #"):  # redis-py puts the command of a pipeline before the message
                said = said.rpartition(_IN_PIPELINE)[2]
            if said.startswith(_AMNESIC):
                reason = said.removeprefix(_AMNESIC)
                raise Recovering(reason, retry_after=_RECOVERY_SECONDS) from None
            if said.startswith(_CANNOT_WRITE):
                raise Unavailable(f"Redis cannot take writes now: {said}") from error
            raise


Call = tuple[list[str], Sequence[str | bytes | float]]
"""Keys and arguments of one run of a script."""


class Scripts:
    """The scripts of ``rag/PLACE.lua``, called by name; each one is one atomic step.

    Before each script is put what it uses of the file's head. With ``fenced`` False they also work on a
    server that lost its records, which is only for the rebuild. ``numbers``: lists that the scripts know
    under these names.
    """

    def __init__(
        self,
        client: driver.Redis,
        place: str,
        *,
        fenced: bool = True,
        numbers: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> None:
        self._client = client
        texts = script_texts(place, fenced=fenced, numbers=numbers)
        self._scripts: dict[str, Script] = {
            name: client.register_script(text) for name, text in texts.items()
        }

    def run(self, name: str, keys: list[str], *args: str | bytes | int | float) -> Any:
        """The script's result. Raises Unavailable or Overloaded."""
        with reaching_redis():
            return self._scripts[name](keys=keys, args=args)

    def run_each(self, name: str, calls: Iterable[Call]) -> list[Any]:
        """The script's results for ``calls``, which are sent together. Each call is a step of its own."""
        with reaching_redis(), self._client.pipeline(transaction=False) as pipeline:
            for keys, args in calls:
                self._scripts[name](keys=keys, args=args, client=pipeline)
            return pipeline.execute()
