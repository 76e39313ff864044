"""Reads HTML by html-to-markdown: a page's own content, without navigation and scripts."""

import re
from collections.abc import Mapping

from html_to_markdown import (
    ConversionError,
    ConversionOptions,
    InputTooLargeError,
    InvalidInputError,
    PanicError,
    PreprocessingOptions,
    convert,
)
from html_to_markdown import ParseError as HtmlError

from rag.errors import AegisError, DocumentTooLarge, UnreadableDocument, translated
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded
from rag.parsing.definitions import marker_for, with_definitions
from rag.parsing.grids import with_merged_cells

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})")
_ERRORS: Mapping[type[BaseException], type[AegisError]] = {
    InputTooLargeError: DocumentTooLarge,
    InvalidInputError: UnreadableDocument,
    HtmlError: UnreadableDocument,
    PanicError: UnreadableDocument,
    ConversionError: UnreadableDocument,
}
_LEFT_OUT = (
    "script", "style", "noscript", "template", "[hidden]", "nav", "[role=navigation]",
    "[class*=cookie-banner]", "[class*=cookie-consent]", "[class*=cookieconsent]", "[class*=cookie-notice]",
    "[id*=cookie-banner]", "[id*=cookie-consent]", "[id*=cookieconsent]", "[id*=cookie-notice]",
)  # fmt: skip
"""What no reader of the page reads. Others stay whatever their class says: a menu may be a canteen's."""

_OPTIONS = ConversionOptions(
    preprocessing=PreprocessingOptions(enabled=False),
    exclude_selectors=list(_LEFT_OUT),
    strip_tags=["a", "kbd"],  # their words stay
    compact_tables=True,
    autolinks=False,
    include_blockquote_citations=False,
    hidden_content="reachable",
    include_document_structure=True,  # for the spans of cells
)
_IMAGE = re.compile(r"!\[((?:[^\[\]\\\n]|\\.)*)\]\([^()\n]*\)")


def html(data: bytes) -> ParsedDocument:
    """The page's content, decoded by the encoding that the page states, if any."""
    head = data[:4096]
    stated = _CHARSET.search(head) or _XML_ENCODING.match(head)
    return from_html(decoded(data, stated[1].decode("ascii") if stated else None))


def from_html(page: str) -> ParsedDocument:
    """The page's content as Markdown and its title. Raises UnreadableDocument or DocumentTooLarge."""
    with translated(_ERRORS, "The page cannot be read"):
        result = convert(page, _OPTIONS, marker_for(page))
    body = with_merged_cells(result.content or "", result.tables)
    if body.startswith("---\n"):  # the converter puts a block of fields before the content
        _, mark, rest = body[4:].partition("\n---\n")
        body = rest if mark else body
    marked = structure.from_escaped(_IMAGE.sub(r"\1", body), result.metadata.document.title)
    return with_definitions(marked)
