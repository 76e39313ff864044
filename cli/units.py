"""Sizes, times and ages, as people read them."""

from datetime import UTC, datetime

from rich.filesize import decimal

_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def size(count: int) -> str:
    """A number of bytes, such as ``1.2 GB``."""
    return decimal(count)


def duration(seconds: float) -> str:
    """In the two largest units, such as ``2 h 5 m``; below ten seconds with tenths."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for (unit, length), (smaller, part) in zip(_UNITS, (*_UNITS[1:], ("s", 1)), strict=True):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // part} {smaller}"
    return f"{whole} s"


def age(moment: str) -> str:
    """How long ago an ISO 8601 time was, in the largest unit."""
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(moment: str) -> str:
    """An ISO 8601 time as local time."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def many(count: int, noun: str) -> str:
    """Such as ``1 document`` and ``2 documents``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
