"""What all workers together know of a far server: how fast it lets itself be called, and whether it answers.

**Rate.** There is none until the server first refuses a call (429). Then the requests and the tokens
a minute that go there are halved, for every worker at once, and with every further refusal; each answered
call raises them again, by a quarter in a minute that uses them up, and ten minutes after the last
refusal they are forgotten. ``Retry-After`` pauses every worker. The control is that of TCP's
congestion window (Chiu and Jain 1989), with token buckets that may run into debt, since the cost of
a call is only known afterwards. Urgent calls have a bucket of their own, which bulk calls do not
draw from; what urgent calls take is taken from the bulk bucket too.

**Circuit breaker** (Nygard, "Release It!", 2007). After ``FAILURES`` calls that failed one after the
other, calls fail at once for ``FIRST_PAUSE`` seconds; then one call goes through as a probe, and the
pause doubles, up to a minute, as long as probes fail. It is shared too: a success of any worker
closes it, so only what fails for all stays open, and one probe is enough for all.

Each step is one script, by the Redis server's clock. Nothing of this outlives an hour of silence.
"""

from dataclasses import dataclass
from hashlib import sha256

from redis import Redis

from rag.errors import Unavailable
from rag.stores.redis import PREFIX, Scripts

FAILURES = 5
FIRST_PAUSE = 5.0  # seconds
UNTOLD_PAUSE = 2.0  # seconds after a refusal that names none


class CircuitOpen(Unavailable):
    """The server has failed too often of late: nobody calls it for ``retry_after`` seconds."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A call may go. ``begun`` by the Redis server's clock; ``tokens``: about what it will take."""

    begun: str
    tokens: int


class RateLimiter:
    """One server, or one account at it. Raises Unavailable when Redis is away."""

    def __init__(self, client: Redis, url: str, account: str = "", *, probe_seconds: float) -> None:
        """``account``: what the server's limits hold for, such as a key; only its hash is kept.

        ``probe_seconds``: the longest that a call may take.
        """
        self._url = url
        self._scripts = Scripts(client, "endpoint", fenced=False)
        self._key = f"{PREFIX}endpoint:{sha256(f'{url} {account}'.encode()).hexdigest()[:16]}"
        self._probe_seconds = probe_seconds

    def enter(self, tokens: int, *, urgent: bool) -> Admission | float:
        """The right to call now, or the seconds after which to ask again. CircuitOpen."""
        word, value = self._run(
            "enter", "urgent" if urgent else "bulk", tokens, FAILURES, self._probe_seconds
        )
        if word == b"open":
            seconds = float(value)
            raise CircuitOpen(
                f"{self._url}: calls failed {FAILURES} times in a row; the next goes out in {seconds:.0f} s",
                retry_after=seconds,
            )
        return Admission(value.decode(), tokens) if word == b"go" else float(value)

    def note_answer(self, admission: Admission, tokens: int) -> None:
        """The server answered, whatever it said; ``tokens`` were used."""
        self._run("answered", admission.tokens, tokens)

    def note_refusal(self, admission: Admission, retry_after: float | None) -> None:
        """The server wants fewer calls; ``retry_after`` in seconds where it says so."""
        self._run("refused", admission.begun, UNTOLD_PAUSE if retry_after is None else retry_after)

    def note_failure(self) -> None:
        """There was no answer, or one that says that the server is broken."""
        self._run("failed", FAILURES, FIRST_PAUSE)

    def _run(self, script: str, *arguments: str | int | float) -> tuple[bytes, bytes]:
        answer: tuple[bytes, bytes] = self._scripts.run(script, [self._key], *arguments)
        return answer
