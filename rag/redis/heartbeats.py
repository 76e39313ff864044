"""Heartbeats of the processes behind the API, in Redis.

``{aegis}:sign:NAME`` is JSON and expires, so the sign of a component that stops disappears;
``{aegis}:signs`` holds the names. A component beats under its own name, a worker once for each of its lanes
under ``worker:LANE:NODE:PID``, and a beat under ``beat:HOST:PID``, so that no two overwrite each other.
A sign's age is computed from the key's remaining time to live, since the clocks of machines may differ.

Decides whether a worker is alive, from what it reports.

Only consumption counts. A process that exists, and a thread in it that reports, prove nothing: a worker is
alive when it took a task from its queue a moment ago, or works on one within the lane's limit. Canaries
ensure that there is always something to take.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from typing import Self, cast

from redis import Redis

from rag.model import Json
from rag.model.known import known_fields
from rag.redis.connection import PREFIX, expire_within, reaching_redis

SLACK_SECONDS = 15.0
"""A pool ends a task at its limit. A task that is still there so many seconds later hangs."""


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """What a worker reports of one of its lanes; every time is in seconds.

    ``worker``: its Celery node name, such as ``LANE@HOST``. ``idle``: since it last took a task of the lane,
    or finished one of any. ``busy``: how long ``task`` has run, None between tasks; it may be of another lane
    that the worker serves too. ``limit``: how long that may run. ``silence``: how long the worker may take no
    task. ``holder``: the name under which it holds jobs; "" of an older version. ``age``: since it reported
    this.
    """

    lane: str
    worker: str
    pid: int
    idle: float
    busy: float | None
    task: str | None
    limit: float
    silence: float
    holder: str = ""
    age: float = 0.0

    @classmethod
    def of(cls, words: Mapping[str, object]) -> Self:
        """The inverse of :meth:`words`; ``words`` may have the age too. TypeError for anything else."""
        return cls(**known_fields(cls, words))

    def words(self) -> Json:
        """All but the age, which the reader knows."""
        return {name: value for name, value in asdict(self).items() if name != "age"}

    def hang(self) -> str | None:
        """Why the worker counts as hung; None while it is alive."""
        if self.busy is not None:
            if self.busy <= self.limit + SLACK_SECONDS:
                return None
            return f"{self.task} has run for {self.busy:.0f} s, and {self.limit:.0f} s is its limit"
        if self.idle <= self.silence:
            return None
        return f"it has taken nothing from its queue for {self.idle:.0f} s"


class Consumption:
    """Tracks when a worker last took a task of a lane or finished one, and since when one runs.

    ``now`` is of a monotonic clock, so that setting the clock changes nothing.
    """

    def __init__(self, now: float) -> None:
        self._active_at = now
        self._taken = 0
        self._running: tuple[str, float] | None = None

    def observe(self, taken: int, running: str | None, now: float) -> None:
        """``taken``: the lane's tasks begun since the start; ``running``: the id of the present one."""
        # A task that began and ended since the last call shows only in the count.
        begun = taken != self._taken
        if begun or running is not None or self._running is not None:
            self._active_at = now
        self._taken = taken
        if running is None:
            self._running = None
        elif begun or self._running is None or self._running[0] != running:
            self._running = (running, now)

    def forgive(self, now: float, grace: float) -> None:
        """Count from ``grace`` seconds after ``now``: until then no task could be taken."""
        self._active_at = now + grace

    def idle(self, now: float) -> float:
        return max(0.0, now - self._active_at)

    def busy(self, now: float) -> float | None:
        return now - self._running[1] if self._running else None

    @property
    def task(self) -> str | None:
        return self._running[0] if self._running else None


SIGN_SECONDS = 10.0
"""After which a sign of life expires."""

_SLACK_SECONDS = 1.0
"""A key with more time left than it was given, and this, is from before the server's clock was set back."""

BEAT, VECTORS = "beat", "vectors"
"""The components that are not workers."""

_NAMES, _SIGN = f"{PREFIX}signs", f"{PREFIX}sign:"
_TRIAL = f"{PREFIX}trial"
_WORKER, _BEAT = "worker:", f"{BEAT}:"


@dataclass(frozen=True, slots=True)
class Signs:
    """All signs of life. ``components``: the last info of each, with its ``age`` in seconds.

    ``beats``: the ``host``, ``pid`` and ``age`` of each; the most recent first.
    """

    components: Mapping[str, Json] = field(default_factory=dict)
    workers: tuple[WorkerSign, ...] = ()
    beats: tuple[Json, ...] = ()

    def lane(self, name: str) -> tuple[WorkerSign, ...]:
        return tuple(sign for sign in self.workers if sign.lane == name)


class Heartbeats:
    """Raises Unavailable when Redis is away or takes no writes, Overloaded when it is full."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def beat(self, component: str, info: Json, ttl_seconds: float = SIGN_SECONDS) -> None:
        """Report that ``component`` is alive for ``ttl_seconds``; ``info`` is shown in /health/ready."""
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            value = json.dumps({"for": ttl_seconds, **info})
            pipeline.set(f"{_SIGN}{component}", value, px=max(1, round(ttl_seconds * 1000)))
            pipeline.sadd(_NAMES, component)
            pipeline.execute()

    def work(self, sign: WorkerSign) -> None:
        """Report what a worker does for a lane."""
        self.beat(f"{_WORKER}{sign.lane}:{sign.worker}:{sign.pid}", sign.words())

    def tick(self, host: str, pid: int, ttl_seconds: float = SIGN_SECONDS) -> None:
        """Report that a beat goes through its schedule."""
        self.beat(f"{_BEAT}{host}:{pid}", {"host": host, "pid": pid}, ttl_seconds)

    def read_signs(self) -> Signs:
        """All signs of life. Names without one are removed.

        It tries a write first: while Redis takes no writes, missing signs prove nothing.
        """
        with reaching_redis():
            self._client.set(_TRIAL, 1, px=1000)
            names = sorted(name.decode() for name in cast(set[bytes], self._client.smembers(_NAMES)))
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.get(f"{_SIGN}{name}")
                pipeline.pttl(f"{_SIGN}{name}")
            answers = pipeline.execute()
            read = map(_read, answers[::2], answers[1::2])
            signs = {name: sign for name, sign in zip(names, read, strict=True) if sign is not None}
            if gone := [name for name in names if name not in signs]:
                self._client.srem(_NAMES, *gone)
        beats = (sign for name, sign in signs.items() if name.startswith(_BEAT))
        return Signs(
            components={name: sign for name, sign in signs.items() if not name.startswith((_WORKER, _BEAT))},
            workers=tuple(_aged(sign) for name, sign in signs.items() if name.startswith(_WORKER)),
            beats=tuple(sorted(beats, key=itemgetter("age"))),
        )

    def turn(self, lane: str, seconds: float) -> bool:
        """Whether it is the caller's turn to send the lane's canaries: one worker's in ``seconds``."""
        key = f"{PREFIX}canaries:{lane}"
        with reaching_redis():
            taken = self._client.set(key, 1, nx=True, px=round(seconds * 1000))
            if not taken:
                expire_within(self._client, key, seconds)
        return bool(taken)


def _read(value: bytes | None, left_ms: int) -> Json | None:
    """A sign with its ``age``; None when there is none, or it is from before the clock was set back."""
    if value is None:
        return None
    sign: Json = json.loads(value)
    lifetime, left = sign.pop("for"), max(0, left_ms) / 1000
    if left > lifetime + _SLACK_SECONDS:
        return None
    sign["age"] = max(0.0, lifetime - left)
    return sign


def _aged(fields: Json) -> WorkerSign:
    """The worker's sign with its durations as of now."""
    age = fields["age"]
    sign = WorkerSign.of(fields)
    busy = sign.busy if sign.busy is None else sign.busy + age
    return replace(sign, idle=sign.idle + age, busy=busy)
