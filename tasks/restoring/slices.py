"""Long work in slices, between which other jobs of the lane have their turn."""

from time import monotonic

from tasks.run import StageRun

SECONDS = 10.0


class Slice:
    """A turn of ``seconds``, which begins with its first step, so that one is always done."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = SECONDS if seconds is None else seconds
        self._until: float | None = None

    def over(self, run: StageRun) -> bool:
        """Whether to leave the next step to a later slice, or to nobody: the job was cancelled."""
        if self._until is None:
            self._until = monotonic() + self._seconds
            return run.cancelled()
        return run.cancelled() or monotonic() > self._until
