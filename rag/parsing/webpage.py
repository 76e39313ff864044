"""HTML by html-to-markdown: the page's own content, without navigation, forms and scripts."""

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
from rag.parsing import layout
from rag.parsing.decoding import decoded

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})")
_ERRORS: Mapping[type[BaseException], type[AegisError]] = {
    InputTooLargeError: DocumentTooLarge,
    InvalidInputError: UnreadableDocument,
    HtmlError: UnreadableDocument,
    PanicError: UnreadableDocument,
    ConversionError: UnreadableDocument,
}
_OPTIONS = ConversionOptions(
    preprocessing=PreprocessingOptions(preset="aggressive"),
    compact_tables=True,
    skip_images=True,
    autolinks=False,
    include_blockquote_citations=False,
    hidden_content="reachable",
)


def html(data: bytes) -> ParsedDocument:
    return from_html(decoded(data, _stated_encoding(data)))


def from_html(page: str) -> ParsedDocument:
    with translated(_ERRORS, "The page cannot be read"):
        result = convert(page, _OPTIONS)
    body = layout.without_links(_body(result.content or ""))
    return layout.from_markdown(body, result.metadata.document.title)


def _body(markdown: str) -> str:
    """Without the block of fields that is put before the page's content."""
    if not markdown.startswith("---\n"):
        return markdown
    _, mark, body = markdown[4:].partition("\n---\n")
    return body if mark else markdown


def _stated_encoding(data: bytes) -> str | None:
    head = data[:4096]
    stated = _CHARSET.search(head) or _XML_ENCODING.match(head)
    return stated[1].decode("ascii") if stated else None
