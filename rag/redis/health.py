"""The broker's health by its INFO: whether it keeps what it accepts, and how full it is."""

import logging
from dataclasses import dataclass
from threading import Lock
from time import monotonic, sleep
from typing import Any

from redis import Redis

from rag.errors import ConfigurationError, Overloaded, Unavailable
from rag.redis.connection import connect, reaching_redis
from rag.redis.record_format import format_risk
from rag.settings import Settings
from rag.startup import first_call

FULL = 0.8
"""The share of its memory up to which the broker takes new jobs; accepted jobs need the rest to end."""

_TIGHT = 0.7
"""The share from which ended jobs are forgotten early, so that the broker does not become full."""

PATIENCE_SECONDS = 60.0
_OLDEST = (6, 2)
_RETRY_SECONDS = 1.0
_FRESH_SECONDS = 1.0
_ROOM_SECONDS = 10.0
_MB = 1 << 20
_FULL_DISK = "the broker cannot write its append-only file: make room on its disk, and it goes on by itself"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrokerHealth:
    """``risks``: why accepted jobs could be lost, a line each with what to do; () when safe.

    ``fault``: why it temporarily takes no writes. ``used`` and ``most`` are bytes;
    ``most`` 0: the server has no limit.
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
        """ConfigurationError with a line for each risk; Unavailable for a temporary fault."""
        if self.risks:
            raise ConfigurationError("\n".join(self.risks))
        if self.fault:
            raise Unavailable(self.fault)


def read_health(client: Redis, *, may_forget: bool) -> BrokerHealth:
    """The server's health by INFO, which hosted servers answer even where they refuse CONFIG.

    ``may_forget``: a server without append-only file is accepted. Unavailable when it does not answer.
    """
    with reaching_redis():
        info: dict[str, Any] = client.info()
    risks = [risk] if (risk := format_risk(client)) else []
    if not info.get("aof_enabled") and not may_forget:
        risks.append(
            "the broker's appendonly is off, so it forgets jobs when it restarts: set it to yes, "
            "or set BROKER_MAY_FORGET=true to have them rebuilt from BLOB_URL"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        risks.append(f"the broker's maxmemory-policy is {policy}, so it may drop jobs: set it to noeviction")
    if info.get("role") == "slave":
        risks.append("the broker is a read-only replica: REDIS_URL must name the primary")
    version = str(info.get("redis_version", ""))
    if tuple(int(part) for part in version.split(".") if part.isdecimal()) < _OLDEST:
        risks.append(f"the broker is Redis {version}, too old: 6.2 is the oldest that works")
    return BrokerHealth(
        risks=tuple(risks),
        used=int(info.get("used_memory", 0)),
        most=int(info.get("maxmemory", 0)),
        fault=_FULL_DISK if info.get("aof_last_write_status", "ok") != "ok" else None,
    )


def wait_until_safe(settings: Settings, *, patience: float = PATIENCE_SECONDS) -> None:
    """Return once the broker answers and keeps what it accepts.

    Raises ConfigurationError with a line for each risk, or what is wrong with REDIS_URL;
    Unavailable when it does not answer, or takes no writes, for ``patience`` seconds.
    """
    deadline, logged = monotonic() + patience, ""
    with connect(settings) as client:
        while True:
            try:
                with first_call():
                    read_health(client, may_forget=settings.broker_may_forget).require_safe()
            except Unavailable as error:
                if monotonic() > deadline:
                    raise Unavailable(f"the broker was away for {patience:g} s: {error}") from error
                level = logging.DEBUG if logged == str(error) else logging.WARNING
                log.log(level, "waiting for the broker: %s", error)
                logged = str(error)
                sleep(_RETRY_SECONDS)
            else:
                return


class BrokerWatch:
    """The broker's health for the checks before a submit, read once a second at most."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._lock = Lock()
        self._read_at = 0.0
        self._health: BrokerHealth | None = None

    def require_safe(self) -> None:
        """The check at the start of a process. ConfigurationError with a line for each risk, or with what
        is wrong with REDIS_URL; Unavailable when the broker is away."""
        with first_call():
            self._now().require_safe()

    def check(self) -> BrokerHealth:
        """The broker's health. Unavailable when it is away, or could lose what it accepts."""
        health = self._now()
        if wrong := (*health.risks, *filter(None, [health.fault])):
            raise Unavailable("; ".join(wrong))
        return health

    def admit(self) -> None:
        """Return when a new job may be submitted. Overloaded when too little memory is left for it."""
        health = self.check()
        if health.full:
            limit = "BROKER_MEMORY_MB" if self._settings.embedded_broker else "maxmemory"
            raise Overloaded(
                f"The broker holds {health.used / _MB:.0f} of {health.most / _MB:.0f} MB, so only jobs "
                f"taken already go on; a higher {limit} makes room for more",
                retry_after=_ROOM_SECONDS,
            )

    def _now(self) -> BrokerHealth:
        with self._lock:
            if self._health is None or monotonic() - self._read_at > _FRESH_SECONDS:
                self._health = None  # if reading fails now, the next caller reads again
                self._health = read_health(self._client, may_forget=self._settings.broker_may_forget)
                self._read_at = monotonic()
            return self._health
