"""Files that are text: plain and Markdown."""

import re

from rag.model import ParsedDocument
from rag.parsing import layout
from rag.parsing.decoding import decoded

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<fields>(?:(?!---)[^\n]*\n){0,200})---[ \t]*(?:\r?\n|$)")
_TITLE_FIELD = re.compile(r"^title:[ \t]*(?P<quote>[\"']?)(?P<title>.*?)(?P=quote)[ \t\r]*$", re.MULTILINE)


def text(data: bytes) -> ParsedDocument:
    return layout.from_text(decoded(data))


def markdown(data: bytes) -> ParsedDocument:
    """The text as it stands, without the front matter, whose ``title`` is the document's."""
    content = decoded(data)
    front = _FRONT_MATTER.match(content)
    if front is None:
        return layout.from_markdown(content)
    stated = _TITLE_FIELD.search(front["fields"])
    return layout.from_markdown(content[front.end() :], stated["title"] if stated else None)
