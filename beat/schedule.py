"""What happens when, by name. Beat only sends; the maintenance lane does the work."""

from typing import Any

EXPIRES = 7200.0
"""Seconds: bounds what gathers while the lane is away, and outlasts a clock that is an hour off."""

SCHEDULE: dict[str, dict[str, Any]] = {
    "publish again what the queue lost": {
        "task": "aegis.maintenance.sweep",
        "schedule": 15.0,
        "options": {"expires": EXPIRES},
    },
    "make room in the broker": {
        "task": "aegis.maintenance.make_room",
        "schedule": 15.0,
        "options": {"expires": EXPIRES},
    },
    "forget jobs that ended long ago": {
        "task": "aegis.maintenance.prune",
        "schedule": 60.0,
        "options": {"expires": EXPIRES},
    },
    "end layouts that nobody goes back to": {
        "task": "aegis.maintenance.layouts",
        "schedule": 60.0,
        "options": {"expires": EXPIRES},
    },
}
