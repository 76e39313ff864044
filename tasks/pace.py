"""How large batches are where keys share the workers, so that no key waits long for another's jobs."""

from dataclasses import dataclass, field

from rag.model import Stage

LONGER = 1.5
"""A batch may take this many times as long as one job takes alone."""

_WEIGHT = 0.3  # of the last batch of one job in the moving average
_PATIENCE = 20  # batches until a size that took too long is tried again
_AFRESH = 50  # batches until the time of one job is measured again


@dataclass(slots=True)
class _Stage:
    alone: float | None = None
    jobs: int | None = None
    settled: int = 0
    batches: int = 0


@dataclass(slots=True)
class Pace:
    """How long batches of each stage took in this process.

    A job that arrives while others are worked waits for their end, and then for its own batch. Both times are
    bounded by what the job would take alone, so it is delayed by at most twice that. A remote model answers
    sixteen jobs as fast as one, so it keeps getting sixteen. A model on this machine takes longer for more
    jobs, so it gets fewer.
    """

    _stages: dict[Stage, _Stage] = field(default_factory=dict)

    def jobs(self, stage: Stage, most: int) -> int:
        """How many jobs to take together next, ``most`` at most."""
        known = self._of(stage)
        if known.jobs is None:
            return most
        return 1 if known.batches % _AFRESH == 0 else min(known.jobs, most)

    def note(self, stage: Stage, jobs: int, seconds: float, *, shared: bool) -> None:
        """Learn from a batch of ``jobs`` that took ``seconds``. ``shared``: whether any had an owner."""
        known = self._of(stage)
        if not shared:
            known.jobs = None
            return
        known.batches += 1
        if jobs == 1:
            before = seconds if known.alone is None else known.alone
            known.alone = (1 - _WEIGHT) * before + _WEIGHT * seconds
        if known.alone is None:
            known.jobs = 1  # measure one job first
        elif jobs > 1 and seconds > LONGER * known.alone:
            known.jobs, known.settled = max(1, int(jobs * LONGER * known.alone / seconds)), _PATIENCE
        elif known.settled:
            known.settled -= 1
        else:
            known.jobs = max(known.jobs or 1, 2 * jobs)

    def _of(self, stage: Stage) -> _Stage:
        return self._stages.setdefault(stage, _Stage())
