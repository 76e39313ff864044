"""Reads DOCX, PPTX, XLSX, ODT, ODS, EPUB and RTF files."""

import re
import zipfile
from functools import partial
from io import BytesIO
from operator import itemgetter
from pathlib import PurePosixPath
from xml.parsers import expat

from rag import media
from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import docx, docx_body, structure, xlsx
from rag.parsing.epub import epub
from rag.parsing.extraction import ENCRYPTED, extracted
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.ods import ods
from rag.parsing.odt import odt
from rag.parsing.package import BROKEN, Package
from rag.parsing.pptx import Slide, slides_of
from rag.parsing.pptx_tables import with_marked_tables
from rag.parsing.recognition import Recognition

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LARGEST_UNPACKED = 512 << 20
_MOST_ENTRIES = 10_000
_OLD_FORMAT = "The file is in an old Office format (.doc, .xls, .ppt): save it as .docx, .xlsx or .pptx."
_LARGEST_PICTURE = 64 << 20
_NOTE = re.compile(r"^\[\^(cmt)?\d{1,9}\]:\s{1,8}", re.MULTILINE)
_NOTE_MARK = re.compile(r"\[(?:\^|cmt:)\d{1,9}\](?!:)")
_BROKEN: tuple[type[BaseException], ...] = (*BROKEN, expat.ExpatError)
_BROKEN_OR_LOCKED: tuple[type[BaseException], ...] = (*_BROKEN, RuntimeError)
"""zipfile raises RuntimeError for a part that has a password."""
_ODF_MANIFEST = "META-INF/manifest.xml"
_ODF_ENCRYPTION = re.compile(rb"<manifest:encryption-data\b")


def office(
    data: bytes, media_type: str, max_text_bytes: int, recognition: Recognition | None = None
) -> ParsedDocument:
    """Slides are pages, sheets are headings with a sentence a row, everything else is Markdown.

    Raises UnreadableDocument for old, broken and encrypted files, DocumentTooLarge for bombs, NotRecognised
    for files of pictures only.
    """
    if data.startswith(OLE):
        raise UnreadableDocument(ENCRYPTED if _OLE_ENCRYPTED in data else _OLD_FORMAT)
    if not data.startswith(b"PK"):
        found = extracted(data, media_type, max_text_bytes)
        return structure.from_markdown(structure.prose(found.content), found.metadata.title)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _check(archive)
            pictures = InnerPictures(partial(_picture, archive), recognition, archive.namelist())
            return pictures.read(_document(data, media_type, max_text_bytes, pictures))
    except _BROKEN as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error


def _picture(archive: zipfile.ZipFile, name: str) -> bytes:
    if name not in archive.namelist():
        return b""
    with archive.open(name) as part:
        return part.read(_LARGEST_PICTURE)


def _document(data: bytes, media_type: str, max_text_bytes: int, pictures: InnerPictures) -> ParsedDocument:
    if media_type == media.DOCX:
        document = _docx(data, max_text_bytes, pictures)
        return pictures.appended(document, pictures.below("word/media/"))
    if media_type == media.PPTX:
        return _pptx(data, max_text_bytes, pictures)
    if media_type == media.ODT:
        return pictures.appended(odt(data, pictures.mark), pictures.below("Pictures/"))
    if media_type == media.ODS:
        return pictures.appended(ods(data, max_text_bytes), pictures.below("Pictures/"))
    if media_type == media.EPUB:
        return epub(data, max_text_bytes, pictures)
    return pictures.appended(xlsx.xlsx(data, max_text_bytes), pictures.below("xl/media/"))


def _pptx(data: bytes, max_text_bytes: int, pictures: InnerPictures) -> ParsedDocument:
    """The slides in the order in which they are shown, each with its notes."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            slides = slides_of(Package(archive))
        marked = with_marked_tables(data)
    except _BROKEN as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    found = extracted(marked.data, media.PPTX, max_text_bytes)
    if not found.pages:
        content = marked.placed(structure.prose(found.content))
        return structure.from_markdown(content, found.metadata.title)
    pages = []
    for page in found.pages:
        known = page.page_number <= len(slides)
        slide = slides[page.page_number - 1] if known else Slide(page.page_number, "")
        notes = f"\n\nNotes: {slide.notes}" if slide.notes else ""
        if slide.number is not None:
            content = pictures.marked(page.content, partial(_in_folder, "ppt/media"))
            others = "".join(f"\n\n{pictures.mark_once(name)}" for name in slide.pictures)
            words = marked.placed(structure.prose(content))
            pages.append((slide.number, words + others + notes))
    return structure.from_pages(sorted(pages, key=itemgetter(0)), found.metadata.title)


def _in_folder(folder: str, address: str) -> str:
    return f"{folder}/{PurePosixPath(address).name}"


def _docx(data: bytes, max_text_bytes: int, pictures: InnerPictures) -> ParsedDocument:
    """The text between the lines of page heads and feet, with notes and comments at its end."""
    try:
        heads, feet = docx.heads_and_feet(data)
        data = docx.with_shown_text(data)
    except _BROKEN_OR_LOCKED as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    found = extracted(data, media.DOCX, max_text_bytes)
    marked = pictures.marked(found.content, partial(_in_folder, "word/media"))
    content = docx_body.with_numbers(structure.prose(marked))
    body = _NOTE.sub(_say_note, _NOTE_MARK.sub("", content))
    return structure.from_markdown("\n\n".join([*heads, body, *feet]), found.metadata.title)


def _say_note(note: re.Match[str]) -> str:
    return "Comment: " if note[1] else "Note: "


def _check(archive: zipfile.ZipFile) -> None:
    """Refuse bombs and encrypted files by the archive's directory, before anything is unpacked."""
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
