"""A worker that every document kills: ``celery -A tests.integration.crashing worker --queues parse``.

Each attempt leaves a byte in ``AEGIS_HOME/attempts`` before its process is gone.
"""

import os

from rag.model import Stage
from tasks.app import StageWork
from tasks.ingest import ingest  # noqa: F401 - registers what is replaced here
from tasks.stages.run import Outcome, StageRun
from workers.main import app

__all__ = ["app"]


def crash(run: StageRun) -> Outcome:
    with (run.tools.settings.home / "attempts").open("ab") as file:
        file.write(b".")
    os._exit(9)


app.stages[Stage.PARSE] = StageWork(crash, together=False)
