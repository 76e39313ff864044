"""Decides whether a worker is alive, from what it reports.

Only consumption counts. A process that exists, and a thread in it that reports, prove nothing: a worker is
alive when it took a task from its queue a moment ago, or works on one within the lane's limit. Canaries
ensure that there is always something to take.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from rag.model import Json

SLACK_SECONDS = 15.0
"""A pool ends a task at its limit. A task that is still there so many seconds later hangs."""


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """What a worker reports; every time is in seconds.

    ``worker``: its Celery node name, ``LANE@HOST``. ``idle``: since it last took or finished a task.
    ``busy``: how long ``task`` has run, None between tasks. ``limit``: how long a task may run. ``silence``:
    how long the worker may take no task.
    """

    lane: str
    worker: str
    pid: int
    idle: float
    busy: float | None
    task: str | None
    limit: float
    silence: float

    @classmethod
    def of(cls, words: Mapping[str, object]) -> Self:
        """The inverse of :meth:`words`. TypeError for anything else."""
        return cls(**words)  # type: ignore[arg-type] # a sign is only read where signs are written

    def words(self) -> Json:
        return asdict(self)

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
    """Tracks when a worker last took or finished a task, and since when one runs.

    ``now`` is of a monotonic clock, so that setting the clock changes nothing.
    """

    def __init__(self, now: float) -> None:
        self._active_at = now
        self._taken = 0
        self._running: tuple[str, float] | None = None

    def observe(self, taken: int, running: str | None, now: float) -> None:
        """``taken``: tasks begun since the worker's start; ``running``: the id of the present one."""
        # A task that began and ended since the last call shows only in the count.
        begun = taken != self._taken
        if begun or running is not None or self._running is not None:
            self._active_at = now
        self._taken = taken
        if running is None:
            self._running = None
        elif begun or self._running is None:
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
