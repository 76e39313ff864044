"""A worker whose snapshots take as long as one lets them: ``celery -A tests.integration.lingering worker``.

Each attempt leaves a byte in ``AEGIS_HOME/attempts``, and is done once there is a file ``AEGIS_HOME/enough``.
"""

from rag.model import Stage
from tasks.app import StageWork
from tasks.backups import backup  # noqa: F401 - registers what is replaced here
from tasks.stages.run import Done, Outcome, StageRun
from tests.system.running import until
from workers.main import app

__all__ = ["app"]


def linger(run: StageRun) -> Outcome:
    home = run.tools.settings.home
    with (home / "attempts").open("ab") as file:
        file.write(b".")
    until((home / "enough").exists, 120)
    return Done(lambda _job, _now: {})


app.stages[Stage.SNAPSHOT] = StageWork(linger, together=False)
