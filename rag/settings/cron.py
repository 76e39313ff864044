"""Reads schedules in the form of crontab(5): minute, hour, day of month, month, day of week, in UTC.

Celery reads them: a day of the week is 0 to 6 or a name, and where both days are given, both must match.
"""

from datetime import UTC, datetime
from functools import lru_cache

from celery.schedules import ParseException, crontab

from rag.settings.texts import NEVER


def validate(text: str) -> str:
    """``text``, if it is a schedule or NEVER; else ValueError, which says what is wrong."""
    if text != NEVER:
        _read(text)
    return text


@lru_cache(maxsize=64)
def next_time(text: str, after: float) -> float:
    """The schedule's first time after the minute of ``after``. Both are Unix seconds."""
    last, until, _ = _read(text).remaining_delta(datetime.fromtimestamp(after, UTC), tz=UTC)
    return float((last + until).timestamp())


@lru_cache
def _read(text: str) -> crontab:
    refusal = (
        f"{text!r} is no schedule: minute, hour, day of month, month and day of week are needed, "
        f"such as '7 * * * *' for every hour, or {NEVER}"
    )
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(refusal)
    minute, hour, day_of_month, month, day_of_week = fields
    try:
        # crontab() takes the fields in another order than crontab(5) writes them.
        return crontab(minute, hour, day_of_week, day_of_month, month)
    except (ValueError, ParseException) as error:
        raise ValueError(f"{refusal} ({error})") from error
