"""How many jobs are taken together where keys share the workers, so that none waits long for others' jobs."""

from dataclasses import dataclass, field

from rag.model import Stage

LONGER = 1.5
"""Times as long as one job takes by itself that all of a batch may take together."""

_WEIGHT = 0.3  # of the last batch of one
_PATIENCE = 20  # batches until more are tried again than have taken too long
_AFRESH = 50  # batches until it is looked again what one takes


@dataclass(slots=True)
class _Stage:
    alone: float | None = None
    jobs: int | None = None
    settled: int = 0
    batches: int = 0


@dataclass(slots=True)
class Pace:
    """What batches of each stage took in this process.

    A job that comes while others are worked waits for their end, and then for that of its own company. Both
    are bounded by what it would take alone, so it is delayed by at most twice that. A far model answers
    sixteen as fast as one, and goes on to be asked for sixteen; a model on this machine takes as long as
    there is to do.
    """

    _stages: dict[Stage, _Stage] = field(default_factory=dict)

    def jobs(self, stage: Stage, most: int) -> int:
        """How many to take together next, ``most`` at most."""
        known = self._of(stage)
        if known.jobs is None:
            return most
        return 1 if known.batches % _AFRESH == 0 else min(known.jobs, most)

    def note(self, stage: Stage, jobs: int, seconds: float, *, shared: bool) -> None:
        """So many took so long together; ``shared``: whether there are keys whose jobs they were."""
        known = self._of(stage)
        if not shared:
            known.jobs = None
            return
        known.batches += 1
        if jobs == 1:
            before = seconds if known.alone is None else known.alone
            known.alone = (1 - _WEIGHT) * before + _WEIGHT * seconds
        if known.alone is None:
            known.jobs = 1  # to learn what one takes
        elif jobs > 1 and seconds > LONGER * known.alone:
            known.jobs, known.settled = max(1, int(jobs * LONGER * known.alone / seconds)), _PATIENCE
        elif known.settled:
            known.settled -= 1
        else:
            known.jobs = max(known.jobs or 1, 2 * jobs)

    def _of(self, stage: Stage) -> _Stage:
        return self._stages.setdefault(stage, _Stage())
