"""What is read from a file: its text with its structure, its passages, and the lines of its pictures."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at character ``start`` of the text; ``level`` 1 is the outermost."""

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """Page ``number``, from 1, has the characters ``start <= i < end`` of the text.

    ``confidence``: of its recognition, 0 to 1; None for a page whose text did not have to be recognised.
    """

    number: int
    start: int
    end: int
    confidence: float | None = None


class WarningKind(StrEnum):
    """What of a file was not read, or is doubtful (CHARACTERS)."""

    PAGES = "pages"
    PARTS = "parts"
    ATTACHMENTS = "attachments"
    PICTURES = "pictures"
    CHARACTERS = "characters"


@dataclass(frozen=True, slots=True)
class ReadingWarning:
    """``count`` things of a ``kind`` were not read; ``text`` names them in a sentence.

    ``kind`` is a :class:`WarningKind`, or one that a later version knows.
    """

    kind: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in words: the first begins at character ``start`` of the text, the last one at ``last``.

    ``caption``: what stands above them: a caption, units; '' without one.
    """

    start: int
    last: int
    caption: str


@dataclass(frozen=True, slots=True)
class Definition:
    """Characters ``start <= i < end`` of the text say something about ``term``."""

    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class RecognisedSpan:
    """The characters ``start <= i < end`` were recognised in a picture. ``confidence``: 0 to 1."""

    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file as a parser reads it: plain text or Markdown, and where its parts are.

    ``definitions``: in any order, one within another or apart.
    """

    text: str
    title: str | None = None
    headings: tuple[Heading, ...] = ()
    pages: tuple[Page, ...] = ()
    tables: tuple[Table, ...] = ()
    warnings: tuple[ReadingWarning, ...] = ()
    definitions: tuple[Definition, ...] = ()
    recognised: tuple[RecognisedSpan, ...] = ()
    """Texts of pictures within the document, in order; pages that are pictures have it themselves."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: ``document.text[start:end] == text``, of ``tokens`` model tokens.

    ``confidence``: the lowest one of the recognised pages and pictures that it has characters of; None where
    there are none.
    """

    index: int
    text: str
    start: int
    end: int
    tokens: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class CutDocument:
    """A parsed file, and the passages that it was cut into, in order."""

    parsed: ParsedDocument
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail. ``name``: on one line, without folders; ``declared``: its media type, as it says."""

    name: str
    declared: str
    data: bytes


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text that was recognised in a picture.

    ``corners``: top left, top right, bottom right, bottom left, as x and y in pixels. ``confidence``: 0 to 1.
    ``text``: "" for a line that is there and could not be read.
    """

    corners: tuple[tuple[float, float], ...]
    text: str
    confidence: float
