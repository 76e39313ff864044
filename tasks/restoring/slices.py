"""Long work in slices, between which other jobs of the lane have their turn."""

from time import monotonic

from tasks.run import StageRun

SECONDS = 10.0


class Slice:
    """A turn of ``seconds``, of which at least one step is always done."""

    def __init__(self, seconds: float | None = None) -> None:
        self._until = monotonic() + (SECONDS if seconds is None else seconds)
        self._begun = False

    def over(self, run: StageRun) -> bool:
        """Whether to leave the next step to a later slice, or to nobody: the job was cancelled."""
        first, self._begun = not self._begun, True
        return run.cancelled() or (monotonic() > self._until and not first)
