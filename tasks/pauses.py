"""How long a stage rests before its next attempt."""

from dataclasses import dataclass

from rag.errors import Transient
from rag.model import Job, JobKind
from tasks.app import jittered

LONGEST_SECONDS = 60.0
LONGEST_ASKED_SECONDS = 300.0
"""As long as a job is held back for a server that names the time to come back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``first``: seconds after the first attempt; ``growth``: so many times longer after each other one."""

    first: float
    growth: float

    def after(self, attempts: int) -> float:
        return min(LONGEST_SECONDS, self.first * self.growth ** (attempts - 1))


INTERACTIVE = Pace(first=2.0, growth=2.0)
BULK = Pace(first=10.0, growth=3.0)  # so that the attempts outlast the restart of a part that is away


def pause(job: Job, error: Exception) -> float:
    """Seconds until the next attempt, as the failing server asked or a little longer each time."""
    asked = error.retry_after if isinstance(error, Transient) else None
    pace = INTERACTIVE if job.kind is JobKind.QUERY else BULK
    return min(LONGEST_ASKED_SECONDS, max(asked or 0.0, jittered(pace.after(job.attempts))))
