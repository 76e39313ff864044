"""Reads DOCX, PPTX, XLSX, ODT, EPUB and RTF files."""

import re
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO
from operator import itemgetter
from xml.etree import ElementTree
from xml.parsers import expat

from rag import media
from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import docx, docx_body, structure, xlsx
from rag.parsing.epub import epub
from rag.parsing.extraction import ENCRYPTED, extracted
from rag.parsing.odt import odt
from rag.parsing.package import Package
from rag.parsing.pptx import Slide, slides_of
from rag.parsing.pptx_tables import with_filled_cells
from rag.parsing.warnings import pictures_not_read

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LARGEST_UNPACKED = 512 << 20
_MOST_ENTRIES = 10_000
_OLD_FORMAT = "The file is in an old Office format (.doc, .xls, .ppt): save it as .docx, .xlsx or .pptx."
_PICTURE = re.compile(r"^(?!docProps/|Thumbnails/).*\.(png|jpe?g|tiff?|webp|gif|bmp|emf|wmf)$", re.IGNORECASE)
_SMALLEST_PICTURE = 10_000  # bytes
_NOTE = re.compile(r"^\[\^(cmt)?\d{1,9}\]:\s{1,8}", re.MULTILINE)
_NOTE_MARK = re.compile(r"\[(?:\^|cmt:)\d{1,9}\](?!:)")
_BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError)
_ODF_MANIFEST = "META-INF/manifest.xml"
_ODF_ENCRYPTION = re.compile(rb"<manifest:encryption-data\b")


def office(data: bytes, media_type: str, max_text_bytes: int) -> ParsedDocument:
    """Slides are pages, sheets are headings with a sentence a row, everything else is Markdown.

    Raises UnreadableDocument for old, broken and encrypted files, DocumentTooLarge for bombs.
    """
    if data.startswith(OLE):
        raise UnreadableDocument(ENCRYPTED if _OLE_ENCRYPTED in data else _OLD_FORMAT)
    if data.startswith(b"PK"):
        _check_archive(data)
    document = _document(data, media_type, max_text_bytes)
    pictures = _pictures(data) if data.startswith(b"PK") else 0
    if not pictures:
        return document
    return replace(document, warnings=(*document.warnings, pictures_not_read(pictures)))


def _document(data: bytes, media_type: str, max_text_bytes: int) -> ParsedDocument:
    if media_type == media.DOCX:
        return _docx(data, max_text_bytes)
    if media_type == media.XLSX:
        return xlsx.xlsx(data, max_text_bytes)
    if media_type == media.PPTX:
        return _pptx(data, max_text_bytes)
    if media_type == media.ODT:
        return odt(data)
    if media_type == media.EPUB:
        return epub(data, max_text_bytes)
    found = extracted(data, media_type, max_text_bytes)
    return structure.from_markdown(structure.prose(found.content), found.metadata.title)


def _pptx(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """The slides in the order in which they are shown, each with its notes."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            slides = slides_of(Package(archive))
        data = with_filled_cells(data)
    except (*_BROKEN_ARCHIVE, ElementTree.ParseError, expat.ExpatError) as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    found = extracted(data, media.PPTX, max_text_bytes)
    if not found.pages:
        return structure.from_markdown(structure.prose(found.content), found.metadata.title)
    pages = []
    for page in found.pages:
        known = page.page_number <= len(slides)
        slide = slides[page.page_number - 1] if known else Slide(page.page_number, "")
        notes = f"\n\nNotes: {slide.notes}" if slide.notes else ""
        if slide.number is not None:
            pages.append((slide.number, structure.prose(page.content) + notes))
    return structure.from_pages(sorted(pages, key=itemgetter(0)), found.metadata.title)


def _docx(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """The text between the lines of page heads and feet, with notes and comments at its end."""
    try:
        heads, feet = docx.heads_and_feet(data)
        data = docx.with_shown_text(data)
    except (*_BROKEN_ARCHIVE, RuntimeError) as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    found = extracted(data, media.DOCX, max_text_bytes)
    content = docx_body.with_numbers(structure.prose(found.content))
    body = _NOTE.sub(_say_note, _NOTE_MARK.sub("", content))
    return structure.from_markdown("\n\n".join([*heads, body, *feet]), found.metadata.title)


def _say_note(note: re.Match[str]) -> str:
    return "Comment: " if note[1] else "Note: "


def _pictures(data: bytes) -> int:
    """How many pictures an archive holds, without the small ones, which are icons and rules."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return sum(
            entry.file_size >= _SMALLEST_PICTURE and _PICTURE.search(entry.filename) is not None
            for entry in archive.infolist()
        )


def _check_archive(data: bytes) -> None:
    """Refuse bombs and encrypted files by the archive's directory, before anything is unpacked."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES or sum(e.file_size for e in entries) > _LARGEST_UNPACKED:
                raise DocumentTooLarge(
                    f"The file unpacks to more than {_LARGEST_UNPACKED >> 20} MB or {_MOST_ENTRIES} parts."
                )
            encrypted = any(entry.flag_bits & 1 for entry in entries)
            if not encrypted and _ODF_MANIFEST in archive.namelist():
                with archive.open(_ODF_MANIFEST) as manifest:
                    encrypted = _ODF_ENCRYPTION.search(manifest.read(1 << 20)) is not None
            if encrypted:
                raise UnreadableDocument(ENCRYPTED)
    except _BROKEN_ARCHIVE as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
