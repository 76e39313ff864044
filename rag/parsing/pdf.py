"""Reads PDF by xberg, which finds headings and tables, or else by PDFium, which finds plain text."""

import re

from pypdfium2 import PdfDocument, PdfiumError

from rag import media
from rag.errors import EmptyDocument, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.extraction import ENCRYPTED, extracted

_DOT_LEADER = re.compile(r"(?: ?\.){5,}")
_HYPHENATED = re.compile(r"(?<=[a-zà-ÿ])[\x02\u00ad\ufffe-]\r?\n(?=[a-zà-ÿ])")


def pdf(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """Pages by xberg; where it fails or finds no text, those by PDFium.

    Raises UnreadableDocument for encrypted or broken files, EmptyDocument for scans.
    """
    broken: UnreadableDocument | None = None
    try:
        found = extracted(data, media.PDF, max_text_bytes)
        pages = [(page.page_number, _tidy(structure.prose(page.content))) for page in found.pages or ()]
        if any(content.strip() for _, content in pages):
            return structure.from_pages(pages, found.metadata.title)
    except UnreadableDocument as error:
        if str(error) == ENCRYPTED:
            raise
        broken = error
    return _by_pdfium(data, broken)


def _by_pdfium(data: bytes, broken: UnreadableDocument | None) -> ParsedDocument:
    """Pages of plain text. ``broken``: xberg's error, raised when PDFium cannot read the file either."""
    pages = []
    try:
        document = PdfDocument(data)
        for number, page in enumerate(document, 1):
            content = page.get_textpage().get_text_bounded()
            pages.append((number, _tidy(_HYPHENATED.sub("", content))))
        title = document.get_metadata_value("Title") or None
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableDocument(ENCRYPTED) from error
        raise broken or UnreadableDocument(f"The PDF is broken and cannot be read: {error}") from error
    if not any(content.strip() for _, content in pages):
        raise EmptyDocument(
            "The PDF holds no text, only images perhaps (a scan): run text recognition (OCR) over it first."
        )
    return structure.from_pages(pages, title)


def _tidy(content: str) -> str:
    return _DOT_LEADER.sub(" …", content)
