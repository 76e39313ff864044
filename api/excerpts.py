"""A part of a text that comes in pieces, of which one at a time is held."""

import codecs
from collections.abc import Iterable, Iterator


def excerpt(pieces: Iterable[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Characters ``start`` to ``end`` (None: all) of a text in UTF-8, in UTF-8 again; nothing is empty.

    No more pieces are asked for than it takes. UnicodeDecodeError where it is no UTF-8.
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
