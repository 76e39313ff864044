"""Lists the types of file that can be read, and tells which one a file is. It imports no parser.

The type follows from the bytes, the extension of the name and the type that the sender declared. Signatures
of binary formats win over both labels, because they do not occur by accident. Between text formats, which
have no signatures, the extension decides, then the declaration. A file whose label names a readable type
but whose bytes are something else keeps its label: its parser then says what is wrong (:func:`misfit`).
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from rag.errors import UnsupportedMedia

HEAD_BYTES = 65_536
"""The bytes of a file's beginning that :func:`media_type_of` needs; a smaller file has fewer."""

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
EPUB = "application/epub+zip"
RTF = "application/rtf"
EML = "message/rfc822"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
CSV = "text/csv"
JSON = "application/json"
JSONL = "application/jsonl"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
WEBP = "image/webp"

READABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        PDF: ("pdf",),
        DOCX: ("docx", "docm", "dotx"),
        PPTX: ("pptx", "pptm", "ppsx"),
        XLSX: ("xlsx", "xlsm"),
        HTML: ("html", "htm", "xhtml"),
        MARKDOWN: ("md", "markdown"),
        TEXT: ("txt", "text", "log"),
        CSV: ("csv", "tsv"),
        JSON: ("json",),
        JSONL: ("jsonl", "ndjson"),
        EPUB: ("epub",),
        ODT: ("odt", "ott"),
        ODS: ("ods", "ots"),
        RTF: ("rtf",),
        EML: ("eml",),
        PNG: ("png",),
        JPEG: ("jpg", "jpeg"),
        TIFF: ("tif", "tiff"),
        WEBP: ("webp",),
    }
)
"""Media type → extensions, the usual one first."""

_BY_EXTENSION = {extension: kind for kind, extensions in READABLE.items() for extension in extensions}
_ALIASES = {
    "application/xhtml+xml": HTML,
    "application/x-pdf": PDF,
    "application/x-ndjson": JSONL,
    "application/jsonlines": JSONL,
    "application/csv": CSV,
    "text/tab-separated-values": CSV,
    "text/x-markdown": MARKDOWN,
    "text/json": JSON,
    "text/rtf": RTF,
}
_ZIPPED = frozenset((DOCX, PPTX, XLSX, ODT, ODS, EPUB))
_OFFICE_FOLDERS = {b"word": DOCX, b"ppt": PPTX, b"xl": XLSX}

_ZIP = b"PK\x03\x04"
_OFFICE_ENTRY = re.compile(rb"PK\x03\x04.{26}(word|ppt|xl)/", re.DOTALL)
_FIRST_ENTRY_MIMETYPE = re.compile(rb"PK\x03\x04.{26}mimetype.{0,28}?(application/[a-z.+-]+)", re.DOTALL)
_HTML_TAG = re.compile(rb"<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_PICTURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n", PNG, "a PNG image"),
    (b"\xff\xd8\xff", JPEG, "a JPEG image"),
    (b"II*\x00", TIFF, "a TIFF image"),
    (b"MM\x00*", TIFF, "a TIFF image"),
)
PICTURES = frozenset((PNG, JPEG, TIFF, WEBP))
"""Types whose text must be recognised."""

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    *((magic, name) for magic, _, name in _PICTURES),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image, sound or video"),
    (b"MZ\x90", "a Windows program"),
    (b"MZ\x00\x00", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old (.doc, .xls, .ppt) or encrypted Office file"),
)


def media_type_of(filename: str | None, declared: str | None, head: bytes) -> str:
    """The readable media type of a file.

    ``filename`` may carry folders; ``declared`` may carry parameters; ``head`` is the file's beginning,
    :data:`HEAD_BYTES` or all of it. Raises UnsupportedMedia, which names the types that can be read.
    """
    extension = PurePosixPath(filename or "").suffix.lstrip(".").lower()
    name = (declared or "").partition(";")[0].strip().lower()
    name = _ALIASES.get(name, name)
    # Clients declare text/plain for whatever they do not know, so it says nothing.
    stated = name if name in READABLE and name != TEXT else None
    label = _BY_EXTENSION.get(extension) or stated
    if kind := _type_by_signature(head, label) or label:
        return kind
    start = head.removeprefix(BOM_UTF8)[:2048].lstrip()
    if start.startswith(b"<") and _HTML_TAG.search(start):
        return HTML
    if foreign(head) is None and is_text(head):
        return TEXT
    sent = f"{filename!r}" if filename else "The file"
    raise UnsupportedMedia(f"{sent} is {described(head)}. Readable are: {readable_extensions()}.")


def misfit(media_type: str, data: bytes) -> str | None:
    """What ``data`` is instead of ``media_type``, such as "a PNG image"; None when it may be that type.

    Only the signature is looked at: a file may have it and still be broken.
    """
    # Readers accept a PDF whose header does not stand at the very beginning.
    if media_type == PDF:
        return None if b"%PDF-" in data[:1024] else described(data)
    if media_type in _ZIPPED:
        return None if data[:2] == b"PK" else described(data)
    if media_type in PICTURES:
        return None if _picture(data) == media_type else described(data)
    if media_type == RTF:
        return None if data.lstrip()[:5] == b"{\\rtf" else described(data)
    return foreign(data) or ("a PDF" if data.startswith(b"%PDF-") else None)


def foreign(head: bytes) -> str | None:
    """The name of a well-known format that no parser reads, such as "a PNG image", or None."""
    if head.startswith(_ZIP):
        return "a zip archive"
    if head[4:8] == b"ftyp":
        return "a video or HEIC image"
    return next((name for magic, name in _FOREIGN if head.startswith(magic)), None)


def _picture(head: bytes) -> str | None:
    """The type of a picture that begins like this; None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((kind for magic, kind, _ in _PICTURES if head.startswith(magic)), None)


def readable_extensions() -> str:
    """``pdf, docx, …`` for messages and help texts."""
    return ", ".join(extensions[0] for extensions in READABLE.values())


def _type_by_signature(head: bytes, label: str | None) -> str | None:
    """The readable type that the bytes have a signature of, if any."""
    if head.startswith(_ZIP):
        if stated := _FIRST_ENTRY_MIMETYPE.match(head):
            kind = stated[1].decode("ascii")
            return next((known for known in (EPUB, ODT, ODS) if kind.startswith(known)), None)
        if entry := _OFFICE_ENTRY.search(head):
            return _OFFICE_FOLDERS[entry[1]]
        return label if label in _ZIPPED else None
    if head.startswith(b"%PDF-") or (label is None and b"%PDF-" in head[:1024]):
        return PDF
    return RTF if head.startswith(b"{\\rtf") else _picture(head)


def described(head: bytes) -> str:
    """A phrase for what a file with this beginning is, such as "a PNG image"."""
    if name := foreign(head):
        return name
    return "plain text" if is_text(head[:HEAD_BYTES]) else "data of an unknown kind"


def is_text(head: bytes) -> bool:
    """Whether this beginning of a file is UTF-8, or UTF-16 with a mark, without control codes."""
    marked = head.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    decoder = getincrementaldecoder("utf-16" if marked else "utf-8")()
    try:
        return _NOT_TEXT.search(decoder.decode(head)) is None
    except UnicodeDecodeError:
        return False
