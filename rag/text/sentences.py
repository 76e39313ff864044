"""Cuts text into the smallest pieces that can be quoted, with exact offsets.

Markdown comes first: a heading, a list item, a table row and a fenced block are pieces of their own, because
no sentence goes on across them. sentencex cuts the running text inside a block, by the language of the text;
it knows abbreviations, initials, decimals and the stops of other scripts. Some more are named here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent

from sentencex import get_sentence_boundaries

from rag.text.languages import ENGLISH, language_of

_LINE = re.compile(r"[^\n]*+\n?")
_FENCE = re.compile(r"`{3,}+|~{3,}+")
_HEADING = re.compile(r"#{1,6}+(?:\s|\Z)")
_ITEM = re.compile(r"(?:[-*+•‣◦]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s++\S")
_FIELD = re.compile(r"[^\W\d_][\w .()/-]{0,40}+:\s++\S")
_CELL = re.compile(r"; \w[\w .,()/%°-]{0,60}: \S")  # of a row in words, after its first
_CLOSING = re.compile(r"[*_]{1,3}+(?!\w)")  # emphasis that ends after its sentence's stop
_WORD = re.compile(r"\w")
_RULE_MARKS = (("=", 1), ("-", 2), ("*", 3), ("_", 3))

_QUOTING = re.compile(r"\s*+(?:>\s*+)*+")
_MARKS = re.compile(r"(?:[-*+•‣◦]\s++(?:\[[ xX]\]\s++)?+|\(?\d{1,3}[.)]\s++|#{1,6}+\s++)?")
_QUOTED_LINE = re.compile(r"\n[^\S\n]*+>\s?")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]*+)\]\([^()\s]*+(?:\s++\"[^\"]*+\")?+\)")
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]++)(?<=[^\s*_])\1(?![\w*])")
_TAG = re.compile(r"</?(?:br|b|i|em|strong|p|span|sup|sub|code|u|a|div|kbd)\b[^<>]*+>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>])")
_OTHER_BACKSLASH = re.compile(r"\\[^\W_]")  # of a path or a pattern
_UNSPACED = re.compile(r"\S++")
_CELL_END = re.compile(r"(?<!\\)\|")
_FENCE_LINE = re.compile(r"^[^\S\n]*+(?:`{3}|~{3})[^\n]*+\n?", re.MULTILINE)
_SPACE = re.compile(r"\s++")

_ABBREVIATIONS = {
    "de": "Abs Nr Art Bd Kap Ziff Tel Str Hr Fr bzw ca evtl ggf inkl vgl Mio Mrd gem lt Abb Tab Anm sog Aufl",
    "es": "Av Sr Sra Srta núm pág págs art Dr Dra Dña Ud Uds tel cap fig Prof Ing Lic aprox máx mín vol n",
    "pt": "Av Sr Sra Dr Dra n núm pág págs p art V Exa Prof Eng cap fig tel aprox máx mín vol",
    "fr": "M MM Mme Mlle Dr Me av bd p pp art fig chap n env tél vol éd",
    "it": "n pag pagg art sig dott ing prof avv v p fig cap tel vol",
    "nl": "nr blz art dhr mevr drs ir bijv ca tel fig",
    "ru": "рис табл см ср стр ул им тел гл ст разд проф акад напр инж",
}
_ABBREVIATED = {language: frozenset(words.lower().split()) for language, words in _ABBREVIATIONS.items()}
"""Words whose stop ends no sentence, where sentencex takes it for an end."""

_ORDINAL = re.compile(
    r"(?:\b(?:der|die|das|den|dem|des|am|im|zum|zur|vom|beim|ab|bis|seit|jede[nmrs]?|eine?[nmrs]?)\s\d{1,3})\Z",
    re.IGNORECASE,
)
_WITHIN_CODE = re.compile(r"[.!?][\\\d^$({]")  # a stop in "\\.\\d{2}" or "3.6.4"
_LAST_WORD = re.compile(r"[^\W\d_]{1,8}\Z")
_ENDING = 24  # characters before a stop that tell whether a sentence ends there
_WRAPPED = 50  # characters of a line that was broken because it was full
_STOPS = frozenset(".:;!?…。！？؟।")

_LONGEST_ROW = 1_000  # characters

_STRETCH = 4_096
"""Characters of running text that are cut at a time: sentencex takes quadratic time over them."""


class Kind(StrEnum):
    PROSE = "prose"
    HEADING = "heading"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


_OPENERS = ((_ITEM, Kind.ITEM), (_FIELD, Kind.PROSE))


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters ``start <= i < end`` of the text, without white space around them."""

    start: int
    end: int
    kind: Kind


def sentences(text: str) -> list[Sentence]:
    """The pieces of ``text`` in order; they do not overlap, and each holds a letter or digit."""
    found: list[Sentence] = []
    language = language_of(text)
    for block in _blocks(text):
        if block.kind not in (Kind.PROSE, Kind.ITEM) or _is_row_in_words(text, block):
            found += _trimmed(text, block.start, block.end, block.kind)
            continue
        start = block.start  # the mark of a list item stays with its first sentence
        begin = _end_of_marks(text, block.start, block.end)
        for stop in _stops(text, begin, block.end, language):
            closing = _CLOSING.match(text, stop, block.end)
            end = closing.end() if closing else stop
            found += _trimmed(text, start, end, block.kind)
            start = end
    return found


def readable(quote: str, kind: Kind) -> str:
    """``quote`` without Markdown's marks, tags and line breaks.

    Code keeps its lines; only its fence and the indentation of the whole are removed.
    """
    if kind is Kind.CODE:
        return dedent(_FENCE_LINE.sub("", quote)).strip("\n").rstrip()
    plain = _QUOTED_LINE.sub("\n", quote[_end_of_marks(quote, 0, len(quote)) :])
    plain = _TAG.sub(" ", _IMAGE_OR_LINK.sub(r"\1", plain))
    for mark in ("***", "**", "__"):
        plain = _without_strong(plain, mark)
    plain = _EMPHASIS.sub(r"\2", plain)
    if kind is Kind.ROW:
        plain = " – ".join(cell for cell in map(str.strip, _CELL_END.split(plain)) if cell)
    return _SPACE.sub(" ", _UNSPACED.sub(_unescaped, plain)).strip()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the text. One with ``kind`` None separates blocks; one that ``opens`` begins a block."""

    start: int
    end: int
    kind: Kind | None
    opens: bool


def _end_of_marks(text: str, start: int, end: int) -> int:
    """Where the words of a block begin: after the marks of a quotation, a list item or a heading."""
    quoting = _QUOTING.match(text, start, end)
    marks = _MARKS.match(text, quoting.end() if quoting else start, end)
    return marks.end() if marks else start


def _is_row_in_words(text: str, block: Sentence) -> bool:
    """Whether the block is a row of a table, "Name: Ada; Badge: 4417": its cells belong together."""
    line = text[block.start : block.end].strip()
    if "\n" in line or len(line) > _LONGEST_ROW:
        return False
    cells = len(_CELL.findall(line))
    return cells > 1 or (cells == 1 and _FIELD.match(line) is not None)


def _stops(text: str, start: int, end: int, language: str) -> Iterator[int]:
    """Where sentences of running text end. One that is longer than a stretch is cut at its end."""
    while start < end:
        stretch = text[start : min(start + _STRETCH, end)]
        encodable = stretch.encode("utf-8", "replace").decode()  # "?" for a lone surrogate
        stops = [start + found["end_index"] for found in get_sentence_boundaries(language, encodable)]
        if len(stops) > 1 and start + len(stretch) < end:
            stops.pop()  # its sentence may go on
        yield from (stop for stop in stops if stop >= end or not _goes_on(text, stop, language))
        start = stops[-1] if stops and stops[-1] > start else start + len(stretch)


def _goes_on(text: str, stop: int, language: str) -> bool:
    """Whether the sentence goes on after the abbreviation or ordinal number before ``stop``."""
    before = text[max(0, stop - _ENDING) : stop].rstrip()
    if _WITHIN_CODE.match(text, stop - 1):
        return True
    if language == ENGLISH or not before.endswith("."):
        return False
    word = _LAST_WORD.search(before, 0, len(before) - 1)
    if word and word[0].lower() in _ABBREVIATED.get(language, ()):
        return True
    if text[stop : stop + 1] in ("º", "ª"):
        return True
    return language == "de" and _ORDINAL.search(before, 0, len(before) - 1) is not None


def _unescaped(word: re.Match[str]) -> str:
    """The word without Markdown's escapes; paths and patterns keep their backslashes."""
    return word[0] if _OTHER_BACKSLASH.search(word[0]) else _ESCAPE.sub(r"\1", word[0])


def _without_strong(text: str, mark: str) -> str:
    """``text`` without pairs of ``mark`` around words."""
    parts: list[str] = []
    position = start = 0
    while (start := text.find(mark, start)) >= 0:
        inside = start + len(mark)
        if text[inside : inside + 1].strip():
            end = text.find(mark, inside + 1)
            while end >= 0 and text[end - 1].isspace():  # this one opens, and does not close
                end = text.find(mark, end + 1)
            if end < 0:
                break
            parts += (text[position:start], text[inside:end])
            start = position = end + len(mark)
        else:
            start += 1
    return "".join((*parts, text[position:]))


def _trimmed(text: str, start: int, end: int, kind: Kind) -> Iterator[Sentence]:
    piece = text[start:end]
    if _WORD.search(piece):
        yield Sentence(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()), kind)


def _blocks(text: str) -> Iterator[Sentence]:
    """Runs of lines that belong together; blank lines, rules and underlines belong to none."""
    block: Sentence | None = None
    before: _Line | None = None
    for line in _lines(text):
        lazy = block is not None and (line.kind, block.kind) == (Kind.PROSE, Kind.ITEM)
        opens = line.opens and not (before is not None and _is_wrapped(text, before, line))
        before = line
        if block is not None and line.kind and not opens and (lazy or line.kind is block.kind):
            block = Sentence(block.start, line.end, block.kind)
            continue
        if block is not None:
            # A rule of a table makes the row above it the names of the columns.
            is_names = block.kind is Kind.ROW and line.kind is None and "|" in text[line.start : line.end]
            yield Sentence(block.start, block.end, Kind.HEADING) if is_names else block
        block = Sentence(line.start, line.end, line.kind) if line.kind is not None else None
    if block is not None:
        yield block


def _is_wrapped(text: str, before: _Line, line: _Line) -> bool:
    """Whether ``line``, "listen here alone: …", is no field, but goes on with the full line ``before`` it."""
    words = text[_end_of_marks(text, before.start, before.end) : before.end].rstrip()
    running = line.kind is Kind.PROSE and before.kind in (Kind.PROSE, Kind.ITEM)
    full = len(words) >= _WRAPPED and words[-1] not in _STOPS and not _FIELD.match(words)
    return running and full and text[line.start : line.end].lstrip()[:1].islower()


def _lines(text: str) -> Iterator[_Line]:
    fence: str | None = None
    for match in _LINE.finditer(text):
        line, (start, end) = match.group().strip(), match.span()
        if start == end:
            return
        if fence is not None:
            yield _Line(start, end, Kind.CODE, opens=False)
            if line.startswith(fence):
                fence = None
        elif opening := _FENCE.match(line):
            fence = opening.group()
            yield _Line(start, end, Kind.CODE, opens=True)
        else:
            kind, opens = _meaning(line, indented=text[start : start + 4].isspace())
            yield _Line(start, end, kind, opens)


def _meaning(line: str, *, indented: bool) -> tuple[Kind | None, bool]:
    """What a line outside a fence is, and whether it begins a block of its own. ``line`` is trimmed."""
    if not line:
        return None, True
    mark, first = line[0], line.find("-")
    is_rule = any(mark == each and len(line) >= least for each, least in _RULE_MARKS) and not line.strip(mark)
    below_names = -1 < first < line.rfind("|") and not "".join(line.split()).strip("-:|")
    if is_rule or below_names:
        return None, True
    if _HEADING.match(line) and not indented:
        return Kind.HEADING, True
    if len(line) > 1 and line[0] == line[-1] == "|":
        return Kind.ROW, True
    return next(((kind, True) for pattern, kind in _OPENERS if pattern.match(line)), (Kind.PROSE, False))
