"""What happens when, by name. Beat only sends; the maintenance lane does the work."""

from typing import Any

from celery.schedules import crontab

SCHEDULE: dict[str, dict[str, Any]] = {
    "publish again what the queue lost": {
        "task": "aegis.maintenance.sweep",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "forget jobs that ended long ago": {
        "task": "aegis.maintenance.prune",
        "schedule": crontab(minute="17"),
        "options": {"expires": 1800.0},
    },
}
