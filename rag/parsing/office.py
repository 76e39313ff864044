"""DOCX, PPTX, XLSX, ODT, EPUB and RTF."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from xberg import ExtractedDocument

from rag import media
from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import layout, tables
from rag.parsing.extraction import ENCRYPTED, extracted

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LARGEST_UNPACKED = 512 << 20
_MOST_ENTRIES = 10_000
_ODF_ENCRYPTION = re.compile(rb"<manifest:encryption-data\b")


def office(data: bytes, media_type: str, max_text_bytes: int) -> ParsedDocument:
    if data.startswith(OLE):
        raise _old_or_encrypted(data)
    if data.startswith(b"PK"):
        _check_archive(data)
    found = extracted(data, media_type, max_text_bytes)
    title = found.metadata.title
    if media_type == media.PPTX and found.pages:
        return layout.from_pages(_slides(found), title)
    if media_type == media.XLSX and found.pages:
        return layout.from_markdown("\n\n".join(_sheets(found)), title)
    return layout.from_markdown(layout.prose(found.content), title)


def _sheets(found: ExtractedDocument) -> Iterator[str]:
    """A heading a sheet, and its rows in words; a sheet that is no table as it stands."""
    for sheet in found.pages or ():
        rows = [line for table in sheet.tables for line in tables.sentences(map(_cells, table.cells))]
        if content := "\n\n".join(rows) or layout.prose(sheet.content):
            yield f"## {sheet.sheet_name or f'Sheet {sheet.page_number}'}\n\n{content}"


def _cells(row: list[str]) -> list[str]:
    return [" ".join(cell.split()) for cell in row]


def _slides(found: ExtractedDocument) -> list[tuple[int, str]]:
    slides = []
    for page in found.pages or ():
        notes = f"\n\nNotes: {page.speaker_notes}" if page.speaker_notes else ""
        slides.append((page.page_number, layout.prose(page.content) + notes))
    return slides


def _old_or_encrypted(data: bytes) -> UnreadableDocument:
    if _OLE_ENCRYPTED in data:
        return UnreadableDocument(ENCRYPTED)
    return UnreadableDocument(
        "The file is in an old Office format (.doc, .xls, .ppt): save it as .docx, .xlsx or .pptx."
    )


def _check_archive(data: bytes) -> None:
    """Refuse what a look at the archive's directory already tells."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES or sum(e.file_size for e in entries) > _LARGEST_UNPACKED:
                raise DocumentTooLarge(
                    f"The file unpacks to more than {_LARGEST_UNPACKED >> 20} MB or {_MOST_ENTRIES} parts."
                )
            if any(entry.flag_bits & 1 for entry in entries) or _odf_encrypted(archive):
                raise UnreadableDocument(ENCRYPTED)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error


def _odf_encrypted(archive: zipfile.ZipFile) -> bool:
    if "META-INF/manifest.xml" not in archive.namelist():
        return False
    with archive.open("META-INF/manifest.xml") as manifest:
        return _ODF_ENCRYPTION.search(manifest.read(1 << 20)) is not None
