"""Which part of a body is asked for (RFC 9110): one range of bytes; of several all is sent, as is allowed."""

_MOST_DIGITS = 18


class Unsatisfiable(Exception):  # noqa: N818 - it is no error of ours
    """No byte that is there is asked for."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last, of ``size``; None where all is to be sent. Unsatisfiable."""
    unit, _, asked = (header or "").partition("=")
    first, dash, last = asked.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (_is_number(first) and _is_number(last)):
        return None
    if not first:
        return _suffix(last, size)
    start, end = int(first), int(last) if last else size - 1
    if end < start and last:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, min(end + 1, size)


def _suffix(length: str, size: int) -> tuple[int, int] | None:
    if not length:
        return None
    if int(length) == 0 or size == 0:
        raise Unsatisfiable
    return max(0, size - int(length)), size


def _is_number(text: str) -> bool:
    """Or nothing."""
    return not text or (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS)
