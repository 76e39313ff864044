"""Text to the smallest pieces that can be quoted, with exact offsets.

Markdown decides first: a heading, a list item, a table row and a fenced block are pieces
of their own, because a full stop means nothing across them. Running text inside a block is
cut by sentencex, which knows abbreviations, initials, decimals and the stops of other
scripts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent

from sentencex import get_sentence_boundaries

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_RULE = re.compile(r"\s*(=+|-{2,}|\*{3,}|_{3,}|\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*)\s*\Z")
_ROW = re.compile(r"\s*\|.*\|\s*\Z")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_FIELD = re.compile(r"\s*[^\W\d_][\w .()/-]{0,40}:\s+\S")
_CLOSING = re.compile(r"[*_]{1,3}(?!\w)")  # emphasis that ends after its sentence's stop
_WORD = re.compile(r"\w")

_MARKS = re.compile(r"\A\s*(?:>\s*)*(?:[-*+•‣◦]\s+(?:\[[ xX]\]\s+)?|\(?\d{1,3}[.)]\s+|#{1,6}\s+)?")
_QUOTED_LINE = re.compile(r"\n\s*>\s?")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_STRONG = re.compile(r"(\*\*\*|\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]+?)(?<=[^\s*_])\1(?![\w*])")
_TAG = re.compile(r"</?(?:br|b|i|em|strong|p|span|sup|sub|code|u|a|div|kbd)\b[^<>]*>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>])")
_FENCE_LINE = re.compile(r"^\s*(?:`{3,}|~{3,}).*$\n?", re.MULTILINE)
_SPACE = re.compile(r"\s+")


class Kind(StrEnum):
    PROSE = "prose"
    HEADING = "heading"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


_OPENERS = ((_HEADING, Kind.HEADING), (_ROW, Kind.ROW), (_ITEM, Kind.ITEM), (_FIELD, Kind.PROSE))


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters ``start <= i < end`` of the text, without white space around them."""

    start: int
    end: int
    kind: Kind


def sentences(text: str) -> list[Sentence]:
    """The pieces of ``text`` in order; they do not overlap, and each holds a letter or digit."""
    return [piece for block in _blocks(text) for piece in _pieces(text, block)]


def readable(quote: str, kind: Kind) -> str:
    """``quote`` as one reads it aloud: Markdown's marks, tags and line breaks taken out.

    Code keeps its lines and loses only its fence and the indentation of the whole.
    """
    if kind is Kind.CODE:
        return dedent(_FENCE_LINE.sub("", quote)).strip("\n").rstrip()
    plain = _QUOTED_LINE.sub("\n", _MARKS.sub("", quote))
    plain = _TAG.sub(" ", _IMAGE_OR_LINK.sub(r"\1", plain))
    plain = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", plain))
    if kind is Kind.ROW:
        plain = " – ".join(cell for cell in map(str.strip, re.split(r"(?<!\\)\|", plain)) if cell)
    return _SPACE.sub(" ", _ESCAPE.sub(r"\1", plain)).strip()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line by its meaning; ``kind`` None separates, ``opens`` begins a block whatever came before."""

    start: int
    end: int
    kind: Kind | None
    opens: bool


def _pieces(text: str, block: Sentence) -> Iterator[Sentence]:
    """The sentences of a block of running text; other blocks whole. A list mark stays with the first."""
    if block.kind not in (Kind.PROSE, Kind.ITEM):
        yield from _trimmed(text, block.start, block.end, block.kind)
        return
    mark = _MARKS.match(text[block.start : block.end])
    body = block.start + (mark.end() if mark else 0)
    start = block.start
    encodable = text[body : block.end].encode("utf-8", "replace").decode()  # "?" for a lone surrogate
    for found in get_sentence_boundaries("en", encodable):
        end = body + found["end_index"]
        closing = _CLOSING.match(text, end, block.end)
        yield from _trimmed(text, start, closing.end() if closing else end, block.kind)
        start = closing.end() if closing else end


def _trimmed(text: str, start: int, end: int, kind: Kind) -> Iterator[Sentence]:
    piece = text[start:end]
    if _WORD.search(piece):
        yield Sentence(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()), kind)


def _blocks(text: str) -> Iterator[Sentence]:
    """Runs of lines that belong together; blank lines, rules and underlines belong to none."""
    block: Sentence | None = None
    for line in _lines(text):
        if block is not None and _continues(line, block.kind):
            block = Sentence(block.start, line.end, block.kind)
            continue
        if block is not None:
            yield _as_header(block) if line.kind is None and "|" in text[line.start : line.end] else block
        block = Sentence(line.start, line.end, line.kind) if line.kind is not None else None
    if block is not None:
        yield block


def _as_header(block: Sentence) -> Sentence:
    """A table's first row names its columns."""
    return Sentence(block.start, block.end, Kind.HEADING) if block.kind is Kind.ROW else block


def _continues(line: _Line, kind: Kind) -> bool:
    if line.opens or line.kind is None:
        return False
    return line.kind is kind or (line.kind is Kind.PROSE and kind is Kind.ITEM)


def _lines(text: str) -> Iterator[_Line]:
    fence: str | None = None
    for match in _LINE.finditer(text):
        line, (start, end) = match.group(), match.span()
        if fence is not None:
            yield _Line(start, end, Kind.CODE, opens=False)
            if line.strip().startswith(fence):
                fence = None
        elif opening := _FENCE.match(line):
            fence = opening.group(1)
            yield _Line(start, end, Kind.CODE, opens=True)
        else:
            kind, opens = _meaning(line)
            yield _Line(start, end, kind, opens)


def _meaning(line: str) -> tuple[Kind | None, bool]:
    """What a line outside a fence is, and whether it begins a block of its own."""
    if not line.strip() or _RULE.match(line):
        return None, True
    return next(((kind, True) for pattern, kind in _OPENERS if pattern.match(line)), (Kind.PROSE, False))
