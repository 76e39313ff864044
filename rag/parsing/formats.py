"""Maps media types to parsers. It imports every parser, so only processes that parse files import it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from rag import media
from rag.errors import DocumentTooLarge, EmptyDocument, UnreadableDocument, UnsupportedMedia
from rag.model import ParsedDocument, ReadingWarning, WarningKind
from rag.parsing import mail, office, pdf, pictures, plain, records, tables, webpage
from rag.parsing.decoding import guess_about
from rag.parsing.recognition import Recognition
from rag.parsing.warnings import characters_guessed, warning

Parse = Callable[[bytes], ParsedDocument]
_TEXTS = frozenset({media.TEXT, media.MARKDOWN, media.CSV, media.JSON, media.JSONL, media.HTML})
"""Types whose bytes are characters of one set. Only HTML can declare it, except by a byte order mark."""


def parsers(max_text_bytes: int, recognition: Recognition | None = None) -> Mapping[str, Parse]:
    """A parser for every type of :data:`rag.media.READABLE`."""
    zipped = (media.DOCX, media.PPTX, media.XLSX, media.ODT, media.ODS, media.EPUB, media.RTF)
    return MappingProxyType(
        {
            media.TEXT: plain.text,
            media.MARKDOWN: plain.markdown,
            media.CSV: tables.table,
            media.JSON: records.json_document,
            media.JSONL: records.json_lines,
            media.HTML: partial(webpage.html, recognition=recognition),
            media.EML: partial(mail.mail, recognition=recognition),
            media.PDF: partial(pdf.pdf, max_text_bytes=max_text_bytes, recognition=recognition),
            **{
                kind: partial(pictures.picture, media_type=kind, recognition=recognition)
                for kind in media.PICTURES
            },
            **{
                kind: partial(
                    office.office, media_type=kind, max_text_bytes=max_text_bytes, recognition=recognition
                )
                for kind in zipped
            },
        }
    )


def parse(
    data: bytes, media_type: str, max_text_bytes: int, recognition: Recognition | None = None
) -> ParsedDocument:
    """The document's text, and its headings and pages as offsets into the text.

    Without ``recognition``, pictures of text are not read. Raises NotRecognised where there is nothing else,
    UnsupportedMedia, UnreadableDocument, EmptyDocument or DocumentTooLarge.
    """
    parser = parsers(max_text_bytes, recognition).get(media_type)
    if parser is None:
        raise UnsupportedMedia(f"No parser reads {media_type}. Readable are: {media.readable_extensions()}.")
    if not data:
        raise EmptyDocument("The file is empty: it has 0 bytes.")
    # Old and encrypted Office files are OLE files; the office parser says which of both this one is.
    is_ole = media_type in (media.DOCX, media.PPTX, media.XLSX) and data.startswith(office.OLE)
    if not is_ole and (found := media.misfit(media_type, data)):
        label = media.READABLE[media_type][0]
        raise UnreadableDocument(f"The file is sent as .{label} but is {found}: send it as what it is.")
    document = parser(data)
    if not document.text.strip():
        raise EmptyDocument("The file holds no text.")
    size = len(document.text.encode())
    if size > max_text_bytes:
        raise DocumentTooLarge(
            f"The file holds {size / 1e6:.0f} MB of text; at most {max_text_bytes / 1e6:.0f} MB are read."
        )
    return replace(document, warnings=(*document.warnings, *_doubts(document.text, data, media_type)))


def _doubts(text: str, data: bytes, media_type: str) -> Iterator[ReadingWarning]:
    """Warnings about characters that were guessed or lost."""
    if lost := text.count("\ufffd"):
        yield warning(WarningKind.CHARACTERS, lost, f"{lost} characters cannot be decoded")
    declared = webpage.stated_charset(data) if media_type == media.HTML else None
    if media_type in _TEXTS and (charset := guess_about(data, declared)):
        yield characters_guessed(text, charset, declared)
