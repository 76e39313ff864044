"""Whether the broker keeps what it accepts, and how full it is: what its INFO tells of both."""

import logging
from dataclasses import dataclass
from threading import Lock
from time import monotonic, sleep
from typing import Any

from redis import Redis

from rag.errors import ConfigurationError, Overloaded, Unavailable
from rag.settings import Settings
from rag.starting import first_call
from rag.stores.redis import connect, reaching_redis

FULL = 0.8
"""Part of its memory up to which the broker takes jobs; the rest is for those taken already to end."""

_TIGHT = 0.7
"""Part of it from which ended jobs are forgotten before their time, so that it does not come to that."""

PATIENCE_SECONDS = 60.0
_OLDEST = (6, 2)
_RETRY_SECONDS = 1.0
_FRESH_SECONDS = 1.0
_ROOM_SECONDS = 10.0
_MB = 1 << 20
_FULL_DISK = "the broker cannot write its append-only file: make room on its disk, and it goes on by itself"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """``risks``: why accepted jobs could be lost, a line each with what to do; () when safe.

    ``fault``: what keeps it from taking writes for the time being. ``used`` and ``most`` are bytes;
    ``most`` 0: the server has no bound.
    """

    risks: tuple[str, ...]
    used: int
    most: int
    fault: str | None = None

    @property
    def full(self) -> bool:
        return 0 < FULL * self.most < self.used

    @property
    def tight(self) -> bool:
        return 0 < _TIGHT * self.most < self.used

    def require_safe(self) -> None:
        """ConfigurationError with a line for each risk, Unavailable for a fault that will pass."""
        if self.risks:
            raise ConfigurationError("\n".join(self.risks))
        if self.fault:
            raise Unavailable(self.fault)


def condition_of(client: Redis, *, may_forget: bool) -> Condition:
    """Read from INFO, which hosted servers answer where they refuse CONFIG. Unavailable without an answer.

    ``may_forget``: a server without append-only file will do.
    """
    with reaching_redis():
        info = client.info()
    return Condition(
        risks=_risks(info, may_forget=may_forget),
        used=int(info.get("used_memory", 0)),
        most=int(info.get("maxmemory", 0)),
        fault=_FULL_DISK if info.get("aof_last_write_status", "ok") != "ok" else None,
    )


def _risks(info: dict[str, Any], *, may_forget: bool) -> tuple[str, ...]:
    found = []
    if not info.get("aof_enabled") and not may_forget:
        found.append(
            "the broker's appendonly is off, so it forgets jobs when it restarts: set it to yes, "
            "or set BROKER_MAY_FORGET=true to have them rebuilt from BLOB_URL"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"the broker's maxmemory-policy is {policy}, so it may drop jobs: set it to noeviction")
    if info.get("role") == "slave":
        found.append("the broker is a read-only replica: REDIS_URL must name the primary")
    version = str(info.get("redis_version", ""))
    if _numbers(version) < _OLDEST:
        found.append(f"the broker is Redis {version}, too old: 6.2 is the oldest that works")
    return tuple(found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def wait_until_safe(settings: Settings, *, patience: float = PATIENCE_SECONDS) -> None:
    """Return once the broker answers and keeps what it accepts.

    Raises ConfigurationError with a line for each risk, or what is wrong with REDIS_URL;
    Unavailable when nobody answers, or takes writes, for ``patience`` seconds.
    """
    deadline, told = monotonic() + patience, ""
    with connect(settings) as client:
        while True:
            try:
                with first_call():
                    condition_of(client, may_forget=settings.broker_may_forget).require_safe()
            except Unavailable as error:
                if monotonic() > deadline:
                    raise Unavailable(f"the broker was away for {patience:g} s: {error}") from error
                log.log(
                    logging.DEBUG if told == str(error) else logging.WARNING,
                    "waiting for the broker: %s",
                    error,
                )
                told = str(error)
                sleep(_RETRY_SECONDS)
            else:
                return


class BrokerWatch:
    """The broker's condition as whoever submits must know it, read once a second at most."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._lock = Lock()
        self._read_at = 0.0
        self._condition: Condition | None = None

    def require_safe(self) -> None:
        """As a process starts: ConfigurationError with a line for each risk, or what is wrong with
        REDIS_URL; Unavailable when the broker is away."""
        with first_call():
            self._now().require_safe()

    def check(self) -> Condition:
        """The condition. Unavailable when the broker is away, or could lose what it accepts."""
        condition = self._now()
        if wrong := (*condition.risks, *filter(None, [condition.fault])):
            raise Unavailable("; ".join(wrong))
        return condition

    def admit(self) -> None:
        """Return when a new job may be submitted; Overloaded when too little memory is left for it."""
        condition = self.check()
        if condition.full:
            raise Overloaded(
                f"The broker holds {condition.used / _MB:.0f} of {condition.most / _MB:.0f} MB, so only jobs "
                f"taken already go on; {self._remedy} makes room for more",
                retry_after=_ROOM_SECONDS,
            )

    @property
    def _remedy(self) -> str:
        return "a higher BROKER_MEMORY_MB" if self._settings.embedded_broker else "a higher maxmemory"

    def _now(self) -> Condition:
        """As it was a second ago at most."""
        with self._lock:
            if self._condition is None or monotonic() - self._read_at > _FRESH_SECONDS:
                self._condition = None
                self._condition = condition_of(self._client, may_forget=self._settings.broker_may_forget)
                self._read_at = monotonic()
            return self._condition
