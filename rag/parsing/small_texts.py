"""Reads small texts in the worker itself, which saves the process that reads any other file.

No foreign parser touches such a text, and the time that it takes is bounded by its length. Whatever is not
plainly well is left to the confined process, which says what is wrong with it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rag import media
from rag.errors import AegisError
from rag.model import Attachment, CutDocument, ParsedDocument
from rag.parsing import plain, records, tables, wire
from rag.ports import Chunker, Parser

LARGEST = 1 << 16
"""Bytes of a text that is read here: 64 KiB take half a second of processor time at worst."""

LONGEST = 2 * LARGEST
"""Characters of its text: one whose rows repeat long names of columns may have many times its bytes."""

_PARSERS: Mapping[str, Callable[[bytes], ParsedDocument]] = {
    media.TEXT: plain.text,
    media.MARKDOWN: plain.markdown,
    media.CSV: tables.table,
    media.JSON: partial(records.json_document, longest=LONGEST),
    media.JSONL: partial(records.json_lines, longest=LONGEST),
}
_DEFECTS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What a parser or a chunker may trip over. It is no MemoryError, and no limit of time."""

log = logging.getLogger(__name__)


class SmallTextParser:
    """Implements :class:`rag.ports.Parser`: small texts by itself, all other files by another parser."""

    def __init__(self, others: Parser, chunker: Callable[[], Chunker], bounds: wire.AnswerBounds) -> None:
        """``others`` reads what is no small text. ``chunker`` is asked for when the first one is read."""
        self._others = others
        self._chunker = chunker
        self._bounds = bounds

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        return self._others.parse(data, media_type, name)

    def cut(
        self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> CutDocument:
        read = self._read(data, media_type) if _is_small_text(data, media_type) else None
        return read or self._others.cut(data, media_type, name, given_up)

    def attachments(
        self, data: bytes, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> Sequence[Attachment]:
        return self._others.attachments(data, name, given_up)

    def warm(self) -> None:
        self._others.warm()

    def close(self) -> None:
        self._others.close()

    def _read(self, data: bytes, media_type: str) -> CutDocument | None:
        """The document as the other parser would answer it; None where that one must say what is wrong."""
        try:
            parsed = _PARSERS[media_type](data)
            if not parsed.text.strip() or len(parsed.text) > LONGEST:
                return None
            answer = wire.packed(parsed, self._chunker().chunk(parsed))
            return wire.unpacked(answer, self._bounds)
        except (AegisError, *_DEFECTS) as error:
            reason = type(error).__name__
        except BaseException as error:
            if type(error).__module__ != "pyo3_runtime":  # a panic of Rust, which has no class to import
                raise
            reason = "a panic"
        log.info("a small text is left to the confined process, because of %s", reason)
        return None


def _is_small_text(data: bytes, media_type: str) -> bool:
    """Whether the data is a text in UTF-8, so that no character set is guessed, and is not too long."""
    if media_type not in _PARSERS or not 0 < len(data) <= LARGEST or media.misfit(media_type, data):
        return False
    try:
        return "\ufffd" not in data.decode()
    except UnicodeDecodeError:
        return False
