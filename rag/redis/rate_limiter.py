"""A rate limiter and circuit breaker for a remote server, shared by all workers through Redis.

**Rate limit.** There is none until the server first refuses a call (429). Then the allowed requests and
tokens a minute are halved, for all workers at once, and again with every further refusal. Each answered
call raises them again, by a quarter in a minute that uses them up, and ten minutes after the last
refusal they are forgotten. ``Retry-After`` pauses every worker. The control is that of TCP's
congestion window (Chiu and Jain 1989), with token buckets that may run into debt, since the cost of
a call is only known afterwards. Urgent calls have a bucket of their own, which bulk calls do not
use; their cost is taken from the bulk bucket too.

**Circuit breaker** (Nygard, "Release It!", 2007). After ``FAILURES`` failed calls in a row, calls
fail at once for ``FIRST_PAUSE`` seconds. Then one call goes through as a probe, and the
pause doubles, up to a minute, as long as probes fail. It is shared too: a success of any worker
closes it, so it stays open only when calls fail for all, and one probe is enough for all.

Each step is one script, by the Redis server's clock. Everything is forgotten after an hour without calls.
"""

from dataclasses import dataclass
from hashlib import sha256

from redis import Redis

from rag.errors import Unavailable
from rag.redis.connection import PREFIX, Scripts

FAILURES = 5
FIRST_PAUSE = 5.0  # seconds
UNTOLD_PAUSE = 2.0  # seconds after a refusal without Retry-After


class CircuitOpen(Unavailable):
    """The server has failed too often lately: no worker calls it for ``retry_after`` seconds."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Permission for one call. ``begun``: by the Redis server's clock; ``tokens``: its estimated cost."""

    begun: str
    tokens: int


@dataclass(frozen=True, slots=True)
class ServerState:
    """Whether calls to a server go out now.

    breaker_open: they fail at once, since it failed too often. rate_limited: it wants fewer of them.
    """

    breaker_open: bool
    rate_limited: bool


class RateLimiter:
    """For one server, or one account at it. Raises Unavailable when Redis is away."""

    def __init__(self, client: Redis, url: str, account: str = "", *, probe_seconds: float) -> None:
        """``account``: what the server limits, such as a key; only its hash is stored.

        ``probe_seconds``: the longest time that a call may take.
        """
        self._url = url
        self._scripts = Scripts(client, "redis/rate_limiter", fenced=False)
        self._key = f"{PREFIX}endpoint:{sha256(f'{url} {account}'.encode()).hexdigest()[:16]}"
        self._probe_seconds = probe_seconds

    def enter(self, tokens: int, *, urgent: bool) -> Admission | float:
        """Permission to call now, or the seconds after which to ask again. Raises CircuitOpen."""
        verdict, value = self._run(
            "enter", "urgent" if urgent else "bulk", tokens, FAILURES, self._probe_seconds
        )
        if verdict == b"open":
            seconds = float(value)
            raise CircuitOpen(
                f"{self._url}: calls failed {FAILURES} times in a row; the next goes out in {seconds:.0f} s",
                retry_after=seconds,
            )
        return Admission(value.decode(), tokens) if verdict == b"go" else float(value)

    def note_answer(self, admission: Admission, tokens: int) -> None:
        """The server answered, whatever the answer; ``tokens`` were used."""
        self._run("answered", admission.tokens, tokens)

    def note_refusal(self, admission: Admission, retry_after: float | None) -> None:
        """The server wants fewer calls. ``retry_after``: the seconds it asks for, if any."""
        self._run("refused", admission.begun, UNTOLD_PAUSE if retry_after is None else retry_after)

    def note_failure(self) -> None:
        """There was no answer, or the server failed."""
        self._run("failed", FAILURES, FIRST_PAUSE)

    def state(self) -> ServerState:
        """Whether calls go out now; changes nothing."""
        breaker_open, limited = self._scripts.run("state", [self._key], FAILURES, self._probe_seconds)
        return ServerState(bool(breaker_open), bool(limited))

    def _run(self, script: str, *arguments: str | int | float) -> tuple[bytes, bytes]:
        answer: tuple[bytes, bytes] = self._scripts.run(script, [self._key], *arguments)
        return answer
