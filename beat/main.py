"""Where Celery beat starts: ``celery -A beat.main beat``."""

import sys

from beat.schedule import SCHEDULE
from rag.settings import Settings
from tasks.app import app

__all__ = ["app"]

app.conf.beat_schedule = SCHEDULE
app.conf.beat_sync_every = 1  # a kill within the minute would fire an entry twice otherwise


def command(settings: Settings) -> list[str]:
    """The argv of the scheduler."""
    return [
        sys.executable, "-m", "celery", "-A", "beat.main", "beat",
        "--schedule", str(settings.run_dir / "beat-schedule"),
        "--pidfile", "",
        "--loglevel", settings.log_level,
    ]  # fmt: skip
