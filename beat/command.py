"""How beat is started. Apart from :mod:`beat.main`, since the supervisor must not load Celery."""

import sys

from rag.settings import Settings


def command(settings: Settings) -> list[str]:
    """The argv that starts the scheduler."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "beat.main", "beat",
        "--pidfile", "",
        "--loglevel", settings.log_level,
    ]  # fmt: skip
