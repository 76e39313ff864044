"""Encodes the messages between a parser, its fork server and the children, and checks the answers.

Frames are those of :mod:`rag.system.framing`. A request is two frames, the media type and the file. An answer
is two: one that holds the frames of :func:`packed` or :func:`refusal`, and a :class:`ChildRun`.

A file may have taken over the child that read it, so every answer is checked. Its form also keeps few bytes
from becoming many objects: it has texts, and rows of numbers of 32 bits (little-endian).
"""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from rag.errors import (
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    NotRecognised,
    UnreadableDocument,
    UnsupportedMedia,
)
from rag.model import (
    Attachment,
    Chunk,
    CutDocument,
    Heading,
    Page,
    ParsedDocument,
    ReadingWarning,
    WarningKind,
)
from rag.naming import plain_name
from rag.parsing.decoding import is_clean
from rag.parsing.structure import DEEPEST_HEADING, MAX_HEADING
from rag.parsing.warnings import LONGEST_WARNING, MOST_WARNINGS
from rag.settings import Settings
from rag.system import framing
from rag.system.framing import framed, payloads_of
from rag.text.chunking import ROOM_A_TOKEN, most_passages
from rag.text.titles import MAX_TITLE

_LARGEST_FRAME = (1 << 32) - 1
_LONGEST_MESSAGE = 2_000
_LONGEST_COUNT = 20  # digits
_LONGEST_TYPE = 200
_MOST_PLACES = 1 << 20
"""Headings, pages and different names: an object each takes up to 200 bytes."""
_FRAMES = 9
_DOCUMENT, _REFUSAL, _ATTACHMENTS = b"document", b"refusal", b"attachments"
ATTACHMENTS_OF_MAIL = "message/rfc822; attachments"
"""Asks for the attachments of a mail, in the place of a media type."""

MOST_ATTACHMENTS = 101
"""Attachments of a mail that are handed out: one more than are read, which shows that there are more."""

_NONE = -1
_RUN = struct.Struct("<3dQ")
_HEADING = struct.Struct("<3i")  # start, level, index of name
_PAGE = struct.Struct("<4i")  # number, start, end, confidence in hundredths or _NONE
_PATH = struct.Struct(f"<{DEEPEST_HEADING}i")  # indexes of names, then _NONE
_PASSAGE = struct.Struct("<6i")  # start, end, tokens, page or _NONE, index of path, as of _PAGE
_REFUSALS: Mapping[str, type[DocumentError]] = {
    kind.code: kind
    for kind in (DocumentTooLarge, EmptyDocument, NotRecognised, UnreadableDocument, UnsupportedMedia)
}


@dataclass(frozen=True, slots=True)
class AnswerBounds:
    """What an answer may hold: bytes of UTF-8 text, and tokens of its longest passage."""

    text_bytes: int
    passage_tokens: int

    @classmethod
    def of(cls, settings: Settings) -> "AnswerBounds":
        return cls(settings.max_text_mb << 20, settings.chunk_tokens)


@dataclass(frozen=True, slots=True)
class ChildRun:
    """When a child ran, in Unix seconds, and what it took: seconds of processors, bytes of memory at most."""

    began: float
    ended: float
    cpu_seconds: float
    peak_bytes: int

    def packed(self) -> bytes:
        return _RUN.pack(self.began, self.ended, self.cpu_seconds, self.peak_bytes)

    @classmethod
    def unpacked(cls, frame: bytes) -> "ChildRun":
        """Raises struct.error for a frame of another length."""
        return cls(*_RUN.unpack(frame))


def receive(connection: socket.socket) -> bytes:
    """Raises ConnectionError when the other side has closed, TimeoutError by the socket's own limit."""
    return framing.receive_answer(connection, _LARGEST_FRAME)


def packed(document: ParsedDocument, chunks: Sequence[Chunk] = ()) -> bytes:
    """The answer for a document. DocumentTooLarge for one with too many headings or pages."""
    paths = {path: n for n, path in enumerate(dict.fromkeys(chunk.headings for chunk in chunks))}
    texts = (*(one.text for one in document.headings), *(name for path in paths for name in path))
    names = {name: n for n, name in enumerate(dict.fromkeys(texts))}
    if max(len(document.headings), len(document.pages), len(names)) > _MOST_PLACES:
        raise DocumentTooLarge(f"The file has more than {_MOST_PLACES} headings or pages.")
    padding = [_NONE] * DEEPEST_HEADING
    return framed(
        _DOCUMENT,
        document.text.encode(),
        (document.title or "").encode(),
        "\n".join(names).encode(),
        _rows(_HEADING, ((one.start, one.level, names[one.text]) for one in document.headings)),
        _rows(_PAGE, (_page_row(page) for page in document.pages)),
        _rows(_PATH, ((*(names[name] for name in path), *padding[len(path) :]) for path in paths)),
        _rows(
            _PASSAGE,
            (
                (
                    one.start,
                    one.end,
                    one.tokens,
                    _NONE if one.page is None else one.page,
                    paths[one.headings],
                    _hundredths(one.confidence),
                )
                for one in chunks
            ),
        ),
        "\n".join(
            f"{each.kind} {each.count} {each.text}" for each in document.warnings[:MOST_WARNINGS]
        ).encode(),
    )


def packed_attachments(attachments: Sequence[Attachment]) -> bytes:
    """The answer to :data:`ATTACHMENTS_OF_MAIL`."""
    fields = ((one.name.encode(errors="replace"), one.declared.encode(), one.data) for one in attachments)
    return framed(_ATTACHMENTS, *(field for one in fields for field in one))


def unpacked_attachments(answer: bytes) -> list[Attachment]:
    """The attachments of an answer. Raises as :func:`unpacked` does."""
    try:
        kind, *fields = islice(payloads_of(answer), 2 + 3 * MOST_ATTACHMENTS)
        if kind == _ATTACHMENTS:
            return [
                Attachment(
                    _name(str(name, "utf-8"), MAX_HEADING),
                    str(declared[:_LONGEST_TYPE], "utf-8"),
                    bytes(data),
                )
                for name, declared, data in zip(*[iter(fields)] * 3, strict=True)
            ]
    except (ValueError, TypeError, struct.error) as error:
        raise UnreadableDocument("The file makes its parser answer nonsense.") from error
    raise _refused(fields)


def refusal(error: DocumentError) -> bytes:
    """The answer for a file that cannot be read."""
    return framed(_REFUSAL, error.code.encode(), str(error)[:_LONGEST_MESSAGE].encode(errors="replace"))


def unpacked(answer: bytes, bounds: AnswerBounds) -> CutDocument:
    """The document of an answer. Raises the DocumentError that the answer holds instead.

    Raises UnreadableDocument for an answer that breaks a rule: the file made its parser write it.
    """
    try:
        # One frame more than an answer has, so that a longer one is refused too.
        kind, *fields = islice(payloads_of(answer), _FRAMES + 1)
        if kind == _DOCUMENT:
            return _document(bounds, *fields)
    except (ValueError, TypeError, LookupError, ArithmeticError, struct.error) as error:
        raise UnreadableDocument("The file makes its parser answer nonsense.") from error
    raise _refused(fields)


def _refused(fields: Sequence[memoryview]) -> DocumentError:
    """The error that an answer holds."""
    try:
        code, message = (str(field[: 4 * _LONGEST_MESSAGE], "utf-8", "replace") for field in fields)
    except ValueError:
        return UnreadableDocument("The file makes its parser answer nonsense.")
    return _REFUSALS.get(code, UnreadableDocument)(plain_name(message)[:_LONGEST_MESSAGE])


def _document(  # noqa: PLR0913, PLR0917 - the fields of an answer
    bounds: AnswerBounds,
    encoded_text: memoryview,
    encoded_title: memoryview,
    encoded_names: memoryview,
    headings: memoryview,
    pages: memoryview,
    paths: memoryview,
    passages: memoryview,
    warnings: memoryview,
) -> CutDocument:
    if len(encoded_text) > bounds.text_bytes:
        raise ValueError("more text than is read")
    text, joined = str(encoded_text, "utf-8"), str(encoded_names, "utf-8")
    if not is_clean(text):
        raise ValueError("text that no parser leaves")
    if joined.count("\n") >= _MOST_PLACES:
        raise ValueError("too many names")
    # Headings and paths share these names, so a name that is used often is still one object.
    names = [_name(name, MAX_HEADING) for name in joined.split("\n")]
    parsed = ParsedDocument(
        text=text,
        title=_name(str(encoded_title, "utf-8"), MAX_TITLE) or None,
        headings=tuple(_headings(headings, names, len(text))),
        pages=tuple(_pages(pages, len(text))),
        warnings=tuple(_warnings(warnings)),
    )
    rows = _bounded(_PATH, paths, len(passages) // _PASSAGE.size)
    named = [tuple(names[_index(number)] for number in row if number != _NONE) for row in rows]
    return CutDocument(parsed, tuple(_chunks(passages, parsed, named, bounds.passage_tokens)))


def _name(name: str, longest: int) -> str:
    if len(name) > longest:
        raise ValueError("a name that is too long")
    return plain_name(name)


def _headings(field: memoryview, names: Sequence[str], end: int) -> Iterator[Heading]:
    before = 0
    for start, level, name in _bounded(_HEADING, field, _MOST_PLACES):
        if not (before <= start < end and 1 <= level <= DEEPEST_HEADING):
            raise ValueError("a heading outside the text")
        yield Heading(start, level, names[_index(name)])
        before = start


def _pages(field: memoryview, end_of_text: int) -> Iterator[Page]:
    before = 0
    for number, start, end, hundredths in _bounded(_PAGE, field, _MOST_PLACES):
        if not before <= start < end <= end_of_text:
            raise ValueError("a page outside the text")
        yield Page(_index(number), start, end, _confidence(hundredths))
        before = end


def _chunks(
    field: memoryview, document: ParsedDocument, paths: Sequence[tuple[str, ...]], most_tokens: int
) -> Iterator[Chunk]:
    text, longest, before = document.text, ROOM_A_TOKEN * most_tokens, 0
    rows = _bounded(_PASSAGE, field, most_passages(len(text), most_tokens, len(document.pages)))
    for index, (start, end, tokens, page, path, hundredths) in enumerate(rows):
        if not before <= start < end <= min(len(text), start + longest) or not 0 <= tokens <= most_tokens:
            raise ValueError("a passage that no chunker makes")
        number = None if page == _NONE else _index(page)
        confidence = _confidence(hundredths)
        yield Chunk(index, text[start:end], start, end, tokens, number, paths[_index(path)], confidence)
        before = end


def _warnings(field: memoryview) -> Iterator[ReadingWarning]:
    if len(field) > 4 * MOST_WARNINGS * (LONGEST_WARNING + 2 * _LONGEST_COUNT):
        raise ValueError("too much to warn about")
    lines = str(field, "utf-8").splitlines()
    if len(lines) > MOST_WARNINGS:
        raise ValueError("too many warnings")
    for line in lines:
        kind, count, text = line.split(" ", 2)
        if len(text) > LONGEST_WARNING or len(count) > _LONGEST_COUNT:
            raise ValueError("a warning that is too long")
        yield ReadingWarning(WarningKind(kind), _index(int(count)), plain_name(text))


def _page_row(page: Page) -> tuple[int, int, int, int]:
    return page.number, page.start, page.end, _hundredths(page.confidence)


def _hundredths(confidence: float | None) -> int:
    return _NONE if confidence is None else round(100 * confidence)


def _confidence(hundredths: int) -> float | None:
    if not _NONE <= hundredths <= 100:
        raise ValueError("a confidence that is none")
    return None if hundredths == _NONE else hundredths / 100


def _index(number: int) -> int:
    if number < 0:  # Python would count from the end
        raise ValueError("a number below zero")
    return number


def _rows(form: struct.Struct, rows: Iterable[Sequence[int]]) -> bytes:
    return b"".join(form.pack(*row) for row in rows)


def _bounded(form: struct.Struct, field: memoryview, most: int) -> Iterator[tuple[int, ...]]:
    if len(field) > most * form.size:
        raise ValueError("too many rows")
    return form.iter_unpack(field)
