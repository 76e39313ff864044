"""Marks that stand in a text for pictures, until the words that were recognised in them take their places."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rag.model import ParsedDocument, RecognisedSpan
from rag.parsing.decoding import normalised
from rag.parsing.recognition import RecognisedPage

_OPEN, _CLOSE = "\ue010", "\ue011"
"""Private-use characters around the number of a picture; other marks have others."""

_MARK = re.compile(f" {{0,2}}{_OPEN}(\\d{{1,4}}){_CLOSE}")
_BREAK = "\n\n"


def mark_of(number: int) -> str:
    """The mark of the picture with a ``number``, from 0 to 9999."""
    return f"{_OPEN}{number}{_CLOSE}"


def has_mark(text: str) -> bool:
    return _OPEN in text


def placed(document: ParsedDocument, texts: Mapping[int, RecognisedPage]) -> ParsedDocument:
    """``document`` with ``texts``, by the numbers of pictures, in the places of their marks.

    A mark without a text goes, and so do those that a hostile file repeats.
    """
    text, left = document.text, dict(texts)
    if _OPEN not in text:
        return document
    pieces: list[str] = []
    spans: list[RecognisedSpan] = []
    before, after = [0], [0]  # offsets from which on text moved, in the old text and in the new
    position = length = 0
    for mark in _MARK.finditer(text):
        page = left.pop(int(mark[1]), RecognisedPage("", 1.0))
        kept = text[position : mark.start()]
        words = _words(text, mark, page)
        pieces += (kept, words)
        start = length + len(kept)
        length = start + len(words)
        position = mark.end()
        if not words and text.startswith(_BREAK, position) and text[max(0, mark.start() - 1)] == "\n":
            position += len(_BREAK)  # else an empty paragraph would be left
        if words.strip():
            spans.append(RecognisedSpan(start, length, page.confidence))
        before.append(position)
        after.append(length)
    pieces.append(text[position:])
    moved = _Moved(before, after)
    return replace(
        document,
        text="".join(pieces),
        title=_MARK.sub("", document.title).strip() or None if document.title else None,
        headings=tuple(
            replace(each, start=moved.at(each.start), text=words)
            for each in document.headings
            if (words := _MARK.sub("", each.text).strip())
        ),
        pages=tuple(
            replace(each, start=start, end=end)
            for each in document.pages
            if (start := moved.at(each.start)) < (end := moved.at(each.end))
        ),
        tables=tuple(
            replace(
                each,
                start=moved.at(each.start),
                last=moved.at(each.last),
                caption=_MARK.sub("", each.caption),
            )
            for each in document.tables
        ),
        definitions=tuple(
            replace(each, start=moved.at(each.start), end=moved.at(each.end), term=_MARK.sub("", each.term))
            for each in document.definitions
        ),
        recognised=tuple(spans),
    )


def _words(text: str, mark: re.Match[str], page: RecognisedPage) -> str:
    """The recognised text: as it is where its mark is a paragraph, on one line within a line."""
    found = normalised(page.text).strip()
    before, after = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 1]
    alone = before in ("", "\n") and after in ("", "\n")
    if alone or not found:
        return found
    joined = " ".join(found.split())
    return joined if before in ("", "\n") else f" {joined}"


@dataclass(frozen=True, slots=True)
class _Moved:
    before: list[int]
    after: list[int]

    def at(self, offset: int) -> int:
        place = bisect_right(self.before, offset) - 1
        return self.after[place] + offset - self.before[place]
