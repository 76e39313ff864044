"""Parts of what is sent: a range of bytes (RFC 9110), and an excerpt of a text by characters."""

import codecs
from collections.abc import Iterable, Iterator

_MOST_DIGITS = 18  # int() takes quadratic time for what callers write


class Unsatisfiable(Exception):  # noqa: N818 - it is no error of ours
    """The range has no byte that exists."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, out of ``size``; None where all is to be sent. Unsatisfiable.

    Of several ranges all is sent, as RFC 9110 allows.
    """
    unit, _, asked = (header or "").partition("=")
    first, dash, last = asked.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (_is_number(first) and _is_number(last)):
        return None
    if not first:  # "-500": the last 500 bytes
        if last and (int(last) == 0 or size == 0):
            raise Unsatisfiable
        return (max(0, size - int(last)), size) if last else None
    start, end = int(first), int(last) if last else size - 1
    if end < start and last:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, min(end + 1, size)


def _is_number(text: str) -> bool:
    """Whether it is a short number, or empty."""
    return not text or (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS)


def excerpt(pieces: Iterable[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Characters ``start`` to ``end`` (None: all) of a text in UTF-8, in UTF-8 again; no piece is empty.

    One piece is in memory at a time, and none is read after the end. UnicodeDecodeError for other than UTF-8.
    """
    decoder, position = codecs.getincrementaldecoder("utf-8")(), 0
    for piece in pieces:
        text = decoder.decode(piece)
        kept = text[max(0, start - position) : None if end is None else max(0, end - position)]
        position += len(text)
        if kept:
            yield kept.encode()
        if end is not None and position >= end:
            return
    decoder.decode(b"", final=True)
