"""Reads HTML by html-to-markdown: a page's own content, without navigation and scripts."""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

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
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.recognition import Recognition

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})")
_IMPOSSIBLE = (b"utf-16", b"utf-32", b"ucs-", b"iso-10646")
"""Sets in which the declaration itself could not be read byte by byte."""

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
_DATA = re.compile(r"data:image/[a-z+.-]{1,40};base64,", re.IGNORECASE)
_IMAGE = re.compile(r"!\[((?:[^\[\]\\\n]|\\.|\[[^\[\]\n]*\])*)\]\([^()\n]*\)")


@dataclass(frozen=True, slots=True)
class PageMarkdown:
    """A page's ``content`` with a backslash before what is no markup, and the ``title`` that it states."""

    content: str
    title: str | None


def html(data: bytes, recognition: Recognition | None = None) -> ParsedDocument:
    """The page's content, decoded by the encoding that it states, with the pictures that it holds itself."""
    pictures = InnerPictures(_data_of, recognition)
    found = markdown_of(decoded(data, stated_charset(data)))
    marked = structure.from_escaped(pictures.marked(found.content, _name_of), found.title)
    return pictures.read(with_definitions(marked))


def _name_of(address: str) -> str:
    """A picture in the page is named by its data; others are not loaded, and have no name."""
    return address if _DATA.match(address) else ""


def _data_of(address: str) -> bytes:
    try:
        return b64decode(unquote(address.partition(",")[2]), validate=False)
    except ValueError:
        return b""


def stated_charset(data: bytes) -> str | None:
    """The character set that the page declares, if any."""
    head = data[:4096]
    stated = _CHARSET.search(head) or _XML_ENCODING.match(head)
    if stated is None or stated[1].lower().startswith(_IMPOSSIBLE):
        return None
    return stated[1].decode("ascii")


def from_html(page: str) -> ParsedDocument:
    """The page's content as Markdown and its title. Raises UnreadableDocument or DocumentTooLarge."""
    found = markdown_of(page)
    return with_definitions(structure.from_escaped(_IMAGE.sub(r"\1", found.content), found.title))


def markdown_of(page: str) -> PageMarkdown:
    """The page's content for ``structure.from_escaped``, with the marks that ``with_definitions`` takes out.

    Raises as :func:`from_html`.
    """
    with translated(_ERRORS, "The page cannot be read"):
        result = convert(page, _OPTIONS, marker_for(page))
    body = with_merged_cells(result.content or "", result.tables)
    if body.startswith("---\n"):  # the converter puts a block of fields before the content
        _, mark, rest = body[4:].partition("\n---\n")
        body = rest if mark else body
    return PageMarkdown(body, result.metadata.document.title)
