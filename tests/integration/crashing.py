"""A worker that every document kills: ``celery -A tests.integration.crashing worker --queues parse``.

Each attempt leaves a byte in ``AEGIS_HOME/attempts`` before its process is gone.
"""

import os

from rag.model import Stage
from tasks import ingest
from tasks.stage import Outcome, StageRun, perform
from workers.main import app

__all__ = ["app"]


def crash(run: StageRun) -> Outcome:
    with (run.tools.settings.home / "attempts").open("ab") as file:
        file.write(b".")
    os._exit(9)


def parse(job_id: str) -> str:
    return perform(app.toolbox, Stage.PARSE, crash, job_id)


ingest.parse.run = parse  # type: ignore[method-assign]
