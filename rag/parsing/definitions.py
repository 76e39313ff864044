"""Finds the definition lists of a page: which of its text says something about which term.

The converter to Markdown drops the difference between a term and its description. So they are marked while it
converts, with characters that no page should have, and the marks are taken out of the text again.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from html_to_markdown import NodeContext

from rag.model import Definition, ParsedDocument
from rag.parsing.structure import plain_words

_TERM, _TERM_ENDS, _DESCRIPTION, _DESCRIPTION_ENDS = "\ue000", "\ue001", "\ue002", "\ue003"
_MARK = re.compile(f"{_DESCRIPTION}\n\n|[{_TERM}-{_DESCRIPTION_ENDS}]")
_LIST = re.compile(r"<d[td][\s>]", re.IGNORECASE)
_LONGEST_TERM = 300  # characters
_MOST_TERMS = 4  # of one description

Visit = dict[str, str]


class TermMarker:
    """A visitor of the converter that marks terms and descriptions."""

    def visit_definition_term(self, _ctx: NodeContext, text: str) -> Visit | str:
        if text.lstrip().startswith("#"):
            return "continue"  # a heading, which needs no mark
        return {"custom": f"\n\n{_TERM}{text.strip()}{_TERM_ENDS}\n\n"}

    def visit_definition_description(self, _ctx: NodeContext, text: str) -> Visit:
        # the mark has a paragraph of its own: before a heading it would make that a line like any other
        return {"custom": f"\n\n{_DESCRIPTION}\n\n{text.strip()}{_DESCRIPTION_ENDS}\n\n"}


def marker_for(page: str) -> Any:
    """A marker for the converter, or None for a page without definition lists, which is converted faster.

    The converter names a type that has all visits; it calls those that there are.
    """
    return TermMarker() if _LIST.search(page) else None


def with_definitions(document: ParsedDocument) -> ParsedDocument:
    """The document without the marks, and with what they told."""
    marks = list(_MARK.finditer(document.text))
    if not marks:
        return document
    starts = [mark.start() for mark in marks]
    removed = list(accumulate((len(mark[0]) for mark in marks), initial=0))

    def moved(offset: int) -> int:
        return offset - removed[bisect_left(starts, offset)]

    return replace(
        document,
        text=_MARK.sub("", document.text),
        title=_unmarked(document.title) if document.title else document.title,
        headings=tuple(
            replace(one, start=moved(one.start), text=_unmarked(one.text)) for one in document.headings
        ),
        tables=tuple(
            replace(one, start=moved(one.start), last=moved(one.last), caption=_unmarked(one.caption))
            for one in document.tables
        ),
        definitions=tuple(
            replace(one, start=moved(one.start), end=moved(one.end))
            for one in _definitions(document.text, marks)
        ),
    )


@dataclass(slots=True)
class _Open:
    """A description that has begun. ``terms``: those that it is about."""

    start: int
    terms: list[str]


def _definitions(text: str, marks: list[re.Match[str]]) -> Iterator[Definition]:
    """In the order in which they end. Marks without their counterpart say nothing."""
    opened: list[_Open] = []
    terms: list[str] = []
    begun: int | None = None  # where a term begins
    last = ""
    for mark in marks:
        kind = mark[0][0]
        if kind == _TERM:
            begun = mark.end()
            terms = terms if last == _TERM_ENDS else []
        elif kind == _TERM_ENDS and begun is not None:
            term = plain_words(text[begun : mark.start()][:_LONGEST_TERM]).strip("¶ ")
            terms = [*terms, term][:_MOST_TERMS]
            begun = None
        elif kind == _DESCRIPTION:
            opened.append(_Open(mark.end(), terms))
            terms = []
        elif kind == _DESCRIPTION_ENDS and opened:
            description = opened.pop()
            terms = description.terms
            if named := " / ".join(filter(None, terms)):
                yield Definition(description.start, mark.start(), named)
        last = kind


def _unmarked(text: str) -> str:
    return _MARK.sub("", text)
