"""Reads plain text and Markdown."""

import re

from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<fields>(?:(?!---)[^\n]*\n){0,200})---[ \t]*(?:\r?\n|$)")
_TITLE_FIELD = re.compile(r"^title:(.*)$", re.MULTILINE)


def text(data: bytes) -> ParsedDocument:
    """The text unchanged; no line of it is a heading."""
    return structure.from_text(decoded(data))


def markdown(data: bytes) -> ParsedDocument:
    """The text without its front matter, whose ``title`` becomes the document's."""
    content = decoded(data)
    front = _FRONT_MATTER.match(content)
    if front is None:
        return structure.from_markdown(content, names_stated=True)
    stated = _TITLE_FIELD.search(front["fields"])
    title = stated[1].strip() if stated else ""
    if len(title) > 1 and title[0] == title[-1] and title[0] in "\"'":
        title = title[1:-1]
    return structure.from_markdown(content[front.end() :], title, names_stated=True)
