"""Makes documents of Markdown text: finds the title, and where headings and pages begin."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from rag.model import Heading, Page, ParsedDocument, Table
from rag.naming import plain_name
from rag.parsing.decoding import normalised
from rag.parsing.markdown_tables import TableWriter
from rag.parsing.rows import WrittenTable
from rag.text import titles

_MARKED_LINE = re.compile(r"^ {0,3}(?:(#{1,6})[ \t]+(\S.*)|(`{3,}|~{3,})(.*)|(=+|-+))$", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE_OR_ESCAPE = re.compile(r"`[^`\n]+`|\\([!-/:-@\[-`{-~])")
_IMAGE_OR_ADDRESSED_LINK = re.compile(
    r"!\[([^\[\]\n]*)\]\([^()\n]*\)|"
    r"\[([^\[\]\n]*)\]\((?:[A-Za-z][A-Za-z0-9+.-]{1,20}:|[#/<]|www\.)[^()\n]*(?:\([^()\n]*\)[^()\n]*)?\)"
)
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]*\)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~&$^])")
_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
_PADDING = re.compile(r"( ) +|(?<=---)-+")
_EMPHASIS = re.compile(r"\*{1,3}|_{2,3}|`")
_PAGE_BREAK = "\n\n"
_SECTION_MARK = "## "
_GOES_ON = ',-–—)"”’*_'
_LETTERED_ITEM = re.compile(r"\(?[a-z]{1,4}[.)]")
MAX_HEADING = 300  # characters
DEEPEST_HEADING = 6


def from_markdown(markdown: str, title: str | None = None, *, names_stated: bool = False) -> ParsedDocument:
    """A document without pages. The title is the given one, or else the first heading's.

    ``names_stated``: whether the first row of each table names its columns.
    """
    text, tables = TableWriter(stated=names_stated).write(normalised(markdown))
    return _document(text, title, (), tuple(headings_of(text)), tables)


def from_escaped(markdown: str, title: str | None = None) -> ParsedDocument:
    """A document of a converter's Markdown, in which a backslash stands before what is no markup.

    The backslashes go once the headings are found: "1\\. Mai" and "\\# 5" are words.
    """
    text, tables = TableWriter().write(normalised(markdown))
    plain: list[str] = []
    starts, start, moved = dict[int, int](), 0, 0
    for line, words in zip(text.split("\n"), _unescaped_lines(text), strict=True):
        starts[start] = moved
        plain.append(words)
        start, moved = start + len(line) + 1, moved + len(words) + 1
    headings = tuple(replace(heading, start=starts[heading.start]) for heading in headings_of(text))
    tables = tuple(replace(each, start=starts[each.start], last=starts[each.last]) for each in tables)
    return _document("\n".join(plain), title, (), headings, tables)


def _unescaped_lines(text: str) -> Iterator[str]:
    """The lines without escapes; those of code are left as they are."""
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        yield line if fence or mark else _CODE_OR_ESCAPE.sub(lambda found: found[1] or found[0], line)


def from_pages(
    pages: Sequence[tuple[int, str]], title: str | None = None, *, flowing: bool = False
) -> ParsedDocument:
    """A document of numbered pages, in order; pages without text are left out.

    ``flowing``: whether a sentence may run over the end of a page, as in PDF, not in slides.
    """
    pieces: list[str] = []
    starts: list[tuple[int, int]] = []
    tables: list[Table] = []
    writer, length = TableWriter(), 0
    for number, content in pages:
        piece, found = writer.write(normalised(content))
        if not piece.strip():
            continue
        if pieces:
            in_table = tables and "\n\n" not in pieces[-1][tables[-1].last - starts[-1][1] :]
            runs_over = (
                flowing
                and not in_table
                and not (found and not found[0].start)
                and _runs_over(pieces[-1], piece)
            )
            pieces.append("\n" if runs_over else _PAGE_BREAK)
            length += len(pieces[-1])
        starts.append((number, length))
        tables += (replace(each, start=each.start + length, last=each.last + length) for each in found)
        pieces.append(piece)
        length += len(piece)
    # A page reaches to the beginning of the next, so that every character has a page.
    ends = [*(start for _, start in starts[1:]), length] if starts else []
    spans = tuple(Page(number, start, end) for (number, start), end in zip(starts, ends, strict=True))
    text = "".join(pieces)
    return _document(text, title, spans, tuple(headings_of(text)), tuple(tables))


def _runs_over(page: str, below: str) -> bool:
    """Whether a sentence at the end of a page goes on below, where a word in small letters begins."""
    last_line = page[page.rfind("\n") + 1 :]
    return (
        below[0].islower()
        and (last_line[-1].isalnum() or last_line[-1] in _GOES_ON)
        and not last_line.startswith(("#", "|", "```", "~~~"))
        and not _LETTERED_ITEM.match(below)
    )


def from_tables(
    sections: Iterable[tuple[str, Sequence[WrittenTable]]], title: str | None = None
) -> ParsedDocument:
    """A document of tables in words, in sections with a heading each, unless its name is ''.

    Nothing in a cell is markup.
    """
    paragraphs: list[str] = []
    names: dict[int, str] = {}
    spans: list[tuple[int, int, str]] = []
    for name, tables in sections:
        if name := plain_name(normalised(name)):
            names[len(paragraphs)] = name
            paragraphs.append(f"{_SECTION_MARK}{name}")
        for table in tables:
            paragraphs += filter(str.strip, map(normalised, table.captions))
            first = len(paragraphs)
            paragraphs += filter(str.strip, map(normalised, table.rows))
            if first < len(paragraphs):
                caption = plain_name(" – ".join(table.captions))[:MAX_HEADING]
                spans.append((first, len(paragraphs) - 1, caption))
    starts = list(accumulate((len(each) + len(_PAGE_BREAK) for each in paragraphs), initial=0))
    return _document(
        _PAGE_BREAK.join(paragraphs),
        title,
        (),
        tuple(Heading(starts[at], 2, name[:MAX_HEADING]) for at, name in names.items()),
        tuple(Table(starts[first], starts[last], caption) for first, last, caption in spans),
    )


def from_text(content: str, title: str | None = None) -> ParsedDocument:
    """A document in which no line is a heading."""
    return ParsedDocument(text=normalised(content), title=usable_title(title))


def without_links(markdown: str) -> str:
    """``markdown`` with links and images replaced by their words."""
    return _IMAGE_OR_LINK.sub(r"\1", markdown)


def plain_words(markdown: str) -> str:
    """The words of a line of Markdown, without emphasis and links."""
    return plain_name(_EMPHASIS.sub("", without_links(markdown)))


def prose(markdown: str) -> str:
    """A converter's Markdown without escapes, addresses and the padding of table cells.

    ``handlers[kind](event)`` stays: a link leads to an address.
    """
    # None of these helps a search, and each would take room in a passage.
    plain = _ESCAPED.sub(r"\1", _IMAGE_OR_ADDRESSED_LINK.sub(_words_of, markdown))
    return _ROW.sub(lambda row: _PADDING.sub(r"\1", row[0]), plain)


def _words_of(link: re.Match[str]) -> str:
    return link[1] or link[2] or ""


def usable_title(title: str | None) -> str | None:
    """The title that a file states, on one line; None when a program left it there."""
    return titles.usable_title(normalised(title or ""))


def _document(
    text: str,
    title: str | None,
    pages: tuple[Page, ...],
    headings: tuple[Heading, ...],
    tables: tuple[Table, ...],
) -> ParsedDocument:
    named = (heading for heading in headings if not titles.is_counted(heading.text))
    first = min(named, key=lambda heading: (heading.level, heading.start), default=None)
    return ParsedDocument(
        text=text,
        title=usable_title(title) or (first.text if first else None),
        headings=headings,
        pages=pages,
        tables=tables,
    )


def headings_of(text: str) -> Iterator[Heading]:
    """ATX and Setext headings (CommonMark 4.2, 4.3) outside fenced code, in order."""
    fence = ""
    for match in _MARKED_LINE.finditer(text):
        marks, words, fence_mark, info, underline = match.groups()
        if fence:
            if fence_mark and fence_mark.startswith(fence) and not info.strip():
                fence = ""
        elif fence_mark:
            fence = fence_mark
        elif marks:
            bare = words.rstrip("#")
            if bare[-1:] in (" ", "\t"):  # closing marks; without a space before them they are words
                words = bare.rstrip(" \t")
            yield from _heading(match.start(), len(marks), words)
        elif underline:
            yield from _underlined(text, match.start(), 1 if underline[0] == "=" else 2)


def _heading(start: int, level: int, words: str) -> Iterator[Heading]:
    text = plain_words(words)
    if text.strip("#"):
        yield Heading(start, level, text[:MAX_HEADING])


def _underlined(text: str, underline: int, level: int) -> Iterator[Heading]:
    """The heading above an ``underline``, unless more than one line or another block is there."""
    start = text.rfind("\n", 0, max(underline - 1, 0)) + 1
    line = text[start : underline - 1] if underline else ""
    stands_alone = start == 0 or text[start - 2 : start] == "\n\n"
    if stands_alone and line.strip() and line.lstrip()[0] not in "|#>-*+`~" and len(line) <= MAX_HEADING:
        yield from _heading(start, level, line)
