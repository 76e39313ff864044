"""Reads ``Retry-After`` (RFC 9110, 10.2.3): a number of seconds, or a date."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST = 64  # characters of a header that are read
_LONGEST_NUMBER = 10


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, 0 or more; None without a header that can be read.

    ``headers`` have names in lower case, or ignore the case. A date is compared with the sender's own clock,
    if there is a ``Date`` header.
    """
    stated = headers.get("retry-after", "")[:_LONGEST].strip()
    if stated.isascii() and stated.isdecimal():
        return float(stated[:_LONGEST_NUMBER])
    if (until := _moment(stated)) is None:
        return None
    now = _moment(headers.get("date", "")[:_LONGEST]) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _moment(date: str) -> datetime | None:
    """A date of RFC 9110, 5.6.7, or None."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
