"""Reads PDF by xberg, which finds headings and tables, or else by PDFium, which finds plain text."""

import re

from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from rag import media
from rag.errors import EmptyDocument, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.extraction import ENCRYPTED, extracted
from rag.parsing.kerning import join_pieces

_NUMBER = re.compile(r"\d[\d.,]*\d")
_DOT_LEADER = re.compile(r"(?: ?\.){5,}")
_HYPHENATED = re.compile(r"(?<=[a-zà-ÿ])[\x02\u00ad\ufffe-]\r?\n(?=[a-zà-ÿ])")


def pdf(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """Pages by xberg; where it fails or finds no text, those by PDFium.

    Raises UnreadableDocument for encrypted or broken files, EmptyDocument for scans.
    """
    broken: UnreadableDocument | None = None
    try:
        found = extracted(data, media.PDF, max_text_bytes)
        layers = _text_layers(data)
        pages = [
            (page.page_number, _page(page.content, layers.get(page.page_number, "")))
            for page in found.pages or ()
        ]
        if any(content.strip() for _, content in pages):
            return structure.from_pages(pages, found.metadata.title)
    except UnreadableDocument as error:
        if str(error) == ENCRYPTED:
            raise
        broken = error
    return _by_pdfium(data, broken)


def _page(content: str, layer: str) -> str:
    """The page as xberg reads it, in Markdown; its text ``layer`` where xberg changed or lost a number."""
    read = join_pieces(_tidy(structure.prose(content)), set(layer.split()))
    lost = set(_NUMBER.findall(layer)) - set(_NUMBER.findall(read))
    return _tidy(layer) if lost else read


def _text_layers(data: bytes) -> dict[int, str]:
    """PDFium's text of each page, without hyphens at line ends; none where PDFium cannot read the file."""
    try:
        return {number: _text_layer(page) for number, page in enumerate(PdfDocument(data), 1)}
    except PdfiumError:
        return {}


def _text_layer(page: PdfPage) -> str:
    return _HYPHENATED.sub("", page.get_textpage().get_text_bounded())


def _by_pdfium(data: bytes, broken: UnreadableDocument | None) -> ParsedDocument:
    """Pages of plain text. ``broken``: xberg's error, raised when PDFium cannot read the file either."""
    pages = []
    try:
        document = PdfDocument(data)
        for number, page in enumerate(document, 1):
            pages.append((number, _tidy(_text_layer(page))))
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
