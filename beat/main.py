"""Where Celery beat starts: ``celery -A beat.main beat``."""

from typing import Any

from celery import signals

from beat.schedule import schedule_of
from rag.redis.health import wait_until_safe
from rag.settings import load
from rag.startup import log_as, shield, starting
from rag.system.log_records import log_printable_lines
from tasks.app import app
from tasks.publishing.publishing import prepare

__all__ = ["app"]

with starting("beat"):
    app.conf.beat_schedule = schedule_of(load())
log_printable_lines()


@signals.setup_logging.connect
def set_up_logging(loglevel: int | None = None, **_: Any) -> None:
    log_as("beat", load(), loglevel)


@signals.beat_init.connect
def require_safe(**_: Any) -> None:
    """Wait for the broker. Exit with the reason when it could lose jobs or refuses access."""
    with starting("beat"):
        settings = load()
        prepare(settings)
        shield(settings)
        wait_until_safe(settings)


app.conf.beat_scheduler = "beat.scheduler:BeatingScheduler"
