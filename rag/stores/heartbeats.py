"""Signs of life of the parts that work behind the API, in Redis.

``{aegis}:sign:NAME`` is JSON and expires, so what stops beating is simply not there;
``{aegis}:signs`` holds the names. A component beats under its own name, a worker under
``worker:LANE@HOST:PID`` and a beat under ``beat:HOST:PID``, so that no two overwrite each other.
Ages are told by what is left of a key's time, which is the server's: the clocks of machines may differ.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from redis import Redis

from rag.liveness import WorkerSign
from rag.model import Json
from rag.stores.redis import PREFIX, expire_within, reaching_redis

SIGN_SECONDS = 10.0
"""What has said nothing for so long shows no sign of life."""

_SLACK_SECONDS = 1.0
"""What has longer left than it was given, and this, is from before the server's clock was put back."""

BEAT, VECTORS = "beat", "vectors"
"""The components that are no workers."""

_NAMES = f"{PREFIX}signs"
_TRIAL = f"{PREFIX}trial"
_WORKER, _BEAT = "worker:", f"{BEAT}:"


@dataclass(frozen=True, slots=True)
class Signs:
    """All signs of life. ``components``: the last words of each, ``age`` in seconds with them.

    ``beats``: the ``host``, ``pid`` and ``age`` of each, the one that ticked last first.
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
        """Say that ``component`` is alive for ``ttl_seconds``; ``info`` is shown in /health/ready."""
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            value = json.dumps({"for": ttl_seconds, **info})
            pipeline.set(_key(component), value, px=max(1, round(ttl_seconds * 1000)))
            pipeline.sadd(_NAMES, component)
            pipeline.execute()

    def work(self, sign: WorkerSign) -> None:
        """Say what a worker does."""
        self.beat(f"{_WORKER}{sign.worker}:{sign.pid}", sign.words())

    def tick(self, host: str, pid: int, ttl_seconds: float = SIGN_SECONDS) -> None:
        """Say that a beat goes through its schedule."""
        self.beat(f"{_BEAT}{host}:{pid}", {"host": host, "pid": pid}, ttl_seconds)

    def read_signs(self) -> Signs:
        """Everything that shows a sign of life. Names that show none are forgotten.

        A write is tried first: where none can be made, the signs that are missing prove nothing.
        """
        with reaching_redis():
            self._client.set(_TRIAL, 1, px=1000)
            names = sorted(name.decode() for name in self._members())
            words = dict(zip(names, self._words(names), strict=True))
            if gone := [name for name, said in words.items() if said is None]:
                self._client.srem(_NAMES, *gone)
        said = {name: word for name, word in words.items() if word is not None}
        beats = (word for name, word in said.items() if name.startswith(_BEAT))
        return Signs(
            components={name: word for name, word in said.items() if not name.startswith((_WORKER, _BEAT))},
            workers=tuple(_aged(word) for name, word in said.items() if name.startswith(_WORKER)),
            beats=tuple(sorted(beats, key=itemgetter("age"))),
        )

    def turn(self, lane: str, seconds: float) -> bool:
        """Whether it falls to the caller to send the lane's canaries: to one worker in ``seconds``."""
        key = f"{PREFIX}canaries:{lane}"
        with reaching_redis():
            taken = self._client.set(key, 1, nx=True, px=round(seconds * 1000))
            if not taken:
                expire_within(self._client, key, seconds)
        return bool(taken)

    def _members(self) -> set[bytes]:
        members: Any = self._client.smembers(_NAMES)  # typed for both kinds of client
        return set(members)

    def _words(self, names: list[str]) -> list[Json | None]:
        """The last words under each name, with their ``age``; None where there are none."""
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.get(_key(name))
            pipeline.pttl(_key(name))
        answers = pipeline.execute()
        return [_read(*answers[at : at + 2]) for at in range(0, len(answers), 2)]


def _read(value: bytes | None, left_ms: int) -> Json | None:
    if value is None:
        return None
    words: Json = json.loads(value)
    lifetime, left = words.pop("for"), max(0, left_ms) / 1000
    if left > lifetime + _SLACK_SECONDS:
        return None
    words["age"] = max(0.0, lifetime - left)
    return words


def _aged(words: Json) -> WorkerSign:
    """The sign with its times as of now."""
    age = words.pop("age")
    sign = WorkerSign.of(words)
    busy = sign.busy if sign.busy is None else sign.busy + age
    return replace(sign, idle=sign.idle + age, busy=busy)


def _key(name: str) -> str:
    return f"{PREFIX}sign:{name}"
