"""How the queue stands, for whoever watches it."""

from rag.model import JobFigures, JobKind, Stage
from rag.stores.jobs.base import JobScripts
from rag.stores.redis import PREFIX

_LOOKS = 500
"""Dead letters whose reason is looked at: some milliseconds of the server, in which it does nothing else."""


class Figures(JobScripts):
    def figures(self) -> JobFigures:
        waiting = [f"{PREFIX}waiting:{stage}" for stage in Stage]
        still_open, waited, dead = self._scripts.run("figures", waiting, "", _LOOKS, *JobKind)
        reasons = (reason.decode() for reason in dead[::2])
        return JobFigures(
            open=dict(zip(JobKind, still_open, strict=True)),
            waited=dict(zip(Stage, map(float, waited), strict=True)),
            dead=dict(zip(reasons, dead[1::2], strict=True)),
        )
