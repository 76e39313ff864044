"""A worker that every document hangs: ``celery -A tests.integration.hanging worker --queues parse``.

Each attempt leaves a byte in ``AEGIS_HOME/attempts``. It heeds no interruption unless there
is a file ``AEGIS_HOME/heedful``.
"""

import signal
import time

from rag.model import Stage
from tasks.app import StageWork
from tasks.ingest import ingest  # noqa: F401 - registers what is replaced here
from tasks.stages.run import Outcome, StageRun
from workers.main import app

__all__ = ["app"]


def hang(run: StageRun) -> Outcome:
    home = run.tools.settings.home
    with (home / "attempts").open("ab") as file:
        file.write(b".")
    if not (home / "heedful").exists():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
    while True:
        time.sleep(3600)


app.stages[Stage.PARSE] = StageWork(hang, together=False)
