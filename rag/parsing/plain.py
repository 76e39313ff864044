"""Files that are text: plain and Markdown."""

import re

from rag.model import ParsedDocument
from rag.parsing import layout
from rag.parsing.decoding import decoded

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<fields>(?:(?!---)[^\n]*\n){0,200})---[ \t]*(?:\r?\n|$)")
_TITLE_FIELD = re.compile(r"^title:(.*)$", re.MULTILINE)


def text(data: bytes) -> ParsedDocument:
    return layout.from_text(decoded(data))


def markdown(data: bytes) -> ParsedDocument:
    """The text as it stands, without the front matter, whose ``title`` is the document's."""
    content = decoded(data)
    front = _FRONT_MATTER.match(content)
    if front is None:
        return layout.from_markdown(content)
    stated = _TITLE_FIELD.search(front["fields"])
    return layout.from_markdown(content[front.end() :], _unquoted(stated[1].strip()) if stated else None)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
