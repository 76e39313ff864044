"""Removes running heads, feet and page numbers from a PDF's pages. They are told by their repetition.

A line at the edge of a page is one of them when the same line, but for numbers that count pages, stands at
that edge of at least three pages near one another, or when it says which page it is. What repeats twice,
lines of sentences and heads of tables stay; so does a heading where it stands first.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rag.parsing.picture_marks import has_mark

_DEEPEST = 3  # lines from the edge
_LONGEST = 200  # characters
_MOST_WORDS = 14
_SENTENCE_ENDS = (".", "!", "?", ",", ";", ":")
_LEAST_PAGES = 3
_WIDEST_GAP = 2  # pages: left and right ones differ
_NEXT_SENTENCE = re.compile(r"\. [\"'“„(]?\w")
_NUMBER = re.compile(r"\d{1,9}")
_PAGE_MARK = re.compile(
    r"(?:page|seite|pag|página|pagina|stránka|strona|sida|side|стр|страница)\.? ?#"
    r"(?: ?(?:of|von|de|di|av|af|z|из|/) ?#)?"
    r"|# ?(?:of|von|/) ?#"
)
_ROMAN = re.compile(r"[ivxlc]{1,7}")
_MARKS = "*_`# "
_AROUND = "*_`#-–—|()[]. "


class _Edge(Enum):
    TOP = 1
    BOTTOM = -1


@dataclass(frozen=True, slots=True)
class _Line:
    """A line near an ``edge``; ``key``: its words without marks, with "#" for each of its ``numbers``."""

    page: int
    index: int
    edge: _Edge
    key: str
    numbers: tuple[int, ...]
    is_heading: bool


def without_running_heads(pages: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Numbered pages of Markdown, in order, without what the module's text says."""
    texts = [content.split("\n") for _, content in pages]
    found: list[list[_Line]] = []
    places = defaultdict[tuple[_Edge, str], list[_Line]](list)
    for (number, _), lines in zip(pages, texts, strict=True):
        found.append(list(_edge_lines(number, lines)))
        for line in found[-1]:
            places[line.edge, line.key].append(line)
    repeated = {line for lines in places.values() for line in _repeated(lines)}
    return [
        (number, "\n".join(_kept(lines, near, repeated)))
        for (number, _), lines, near in zip(pages, texts, found, strict=True)
    ]


def _edge_lines(page: int, lines: Sequence[str]) -> Iterator[_Line]:
    """The lines near both edges, from the edge on. Those of tables end the search."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for edge, indexes in ((_Edge.TOP, filled), (_Edge.BOTTOM, filled[::-1])):
        for index in indexes[:_DEEPEST]:
            line = lines[index].strip()
            if (
                len(line) > _LONGEST
                or line.startswith("|")
                or has_mark(line)
                or (edge is _Edge.TOP and _heads_rows(lines, index))
            ):
                break
            if edge is _Edge.TOP and "".join(lines[index + 1 : index + 2])[:1].islower():
                break  # a sentence goes on
            numbers = tuple(map(int, _NUMBER.findall(line)))
            bare = _NUMBER.sub("\0", line).strip(_AROUND).replace("\0", "#")
            key = " ".join(bare.casefold().split())
            if _is_prose(line) and not _PAGE_MARK.fullmatch(key):
                break
            yield _Line(page, index, edge, key, numbers, is_heading=line.startswith("#"))


def _is_prose(line: str) -> bool:
    words = line.strip(_MARKS)
    is_sentence = words.endswith(_SENTENCE_ENDS) or _NEXT_SENTENCE.search(words) or words[:1].islower()
    return bool(is_sentence) or len(words.split()) > _MOST_WORDS


def _heads_rows(lines: Sequence[str], index: int) -> bool:
    """Whether the line names columns: it has words alone, and the two lines below have numbers in columns."""
    if _NUMBER.search(lines[index]) or len(lines[index].split()) < 2:
        return False
    below = [line for line in lines[index + 1 : index + 3] if line.strip()]
    return len(below) == 2 and all(sum(map(_has_number, line.split())) >= 2 for line in below)


def _has_number(word: str) -> bool:
    return _NUMBER.search(word) is not None


def _repeated(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Those of lines with the same key that run over pages."""
    run: list[_Line] = []
    for line in lines:
        if run and (line.page - run[-1].page > _WIDEST_GAP or not _goes_on(run[-1], line)):
            yield from _running(run)
            run = []
        run.append(line)
    yield from _running(run)


def _running(run: Sequence[_Line]) -> Sequence[_Line]:
    key = run[0].key
    if _PAGE_MARK.fullmatch(key) and all(line.page in line.numbers for line in run):
        return run
    least = 2 if key == "#" and len(run) > 1 and run[0].numbers != run[1].numbers else _LEAST_PAGES
    if len({line.page for line in run}) < least:
        return ()
    return run[1:] if run[0].is_heading else run


def _goes_on(before: _Line, line: _Line) -> bool:
    """Whether each number is the same, or counts pages."""
    pages = line.page - before.page
    return _ROMAN.fullmatch(line.key) is not None or all(
        now - then in (0, pages) for then, now in zip(before.numbers, line.numbers, strict=True)
    )


def _kept(lines: Sequence[str], near: Sequence[_Line], repeated: set[_Line]) -> list[str]:
    """The lines but for those that run, which are together at the edge; all where nothing else is left."""
    gone: set[int] = set()
    for edge in _Edge:
        for line in near:
            if line.edge is edge:
                if line not in repeated:
                    break
                gone.add(line.index)
    kept = [line for index, line in enumerate(lines) if index not in gone]
    only_marks = all(_PAGE_MARK.fullmatch(line.key) or line.key == "#" for line in near)
    return kept if only_marks or any(map(str.strip, kept)) else list(lines)
