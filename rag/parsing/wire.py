"""What goes between a nursery, its zygote and the children: frames and answers.

Frames are those of :mod:`rag.framing`. A request is two of them, the media type and the file; an answer is
one, in which are the frames of :func:`packed` or :func:`refusal`.

Whoever wrote an answer may have been taken over by the file that it read. So it is checked, and has a form
in which few bytes cannot become many objects: texts, and rows of numbers of 32 bits (little endian).
"""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from rag import framing
from rag.chunking import ROOM_A_TOKEN, most_passages
from rag.errors import (
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    UnreadableDocument,
    UnsupportedMedia,
)
from rag.framing import LENGTH, framed
from rag.model import Chunk, CutDocument, Heading, Page, ParsedDocument
from rag.naming import plain_name
from rag.parsing.decoding import is_clean
from rag.parsing.layout import DEEPEST_HEADING, MAX_HEADING, MAX_TITLE

_LARGEST_FRAME = (1 << 32) - 1
_LONGEST_MESSAGE = 2_000
_MOST_PLACES = 1 << 20
"""Headings, pages and different names: an object each takes up to 200 bytes."""
_FRAMES = 8
_DOCUMENT, _REFUSAL = b"document", b"refusal"
_NONE = -1
_HEADING = struct.Struct("<3i")  # start, level, name
_PAGE = struct.Struct("<3i")  # number, start, end
_PATH = struct.Struct(f"<{DEEPEST_HEADING}i")  # names, then none
_PASSAGE = struct.Struct("<5i")  # start, end, tokens, page or none, path
_REFUSALS: Mapping[str, type[DocumentError]] = {
    kind.code: kind for kind in (DocumentTooLarge, EmptyDocument, UnreadableDocument, UnsupportedMedia)
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an honest answer keeps to. ``text_bytes``: UTF-8. ``passage_tokens``: of the longest passage."""

    text_bytes: int
    passage_tokens: int


def receive(connection: socket.socket) -> bytes:
    """Raises ConnectionError when the other side has closed, TimeoutError by the socket's own limit."""
    return framing.receive_answer(connection, _LARGEST_FRAME)


def packed(document: ParsedDocument, chunks: Sequence[Chunk] = ()) -> bytes:
    """DocumentTooLarge for more headings or pages than are taken."""
    paths = {path: n for n, path in enumerate(dict.fromkeys(chunk.headings for chunk in chunks))}
    spoken = (*(one.text for one in document.headings), *(name for path in paths for name in path))
    names = {name: n for n, name in enumerate(dict.fromkeys(spoken))}
    if max(len(document.headings), len(document.pages), len(names)) > _MOST_PLACES:
        raise DocumentTooLarge(f"The file has more than {_MOST_PLACES} headings or pages.")
    return framed(
        _DOCUMENT,
        document.text.encode(),
        (document.title or "").encode(),
        "\n".join(names).encode(),
        _rows(_HEADING, ((one.start, one.level, names[one.text]) for one in document.headings)),
        _rows(_PAGE, ((one.number, one.start, one.end) for one in document.pages)),
        _rows(_PATH, (_padded([names[name] for name in path]) for path in paths)),
        _rows(_PASSAGE, (_numbers(chunk, paths[chunk.headings]) for chunk in chunks)),
    )


def refusal(error: DocumentError) -> bytes:
    return framed(_REFUSAL, error.code.encode(), str(error)[:_LONGEST_MESSAGE].encode(errors="replace"))


def unpacked(answer: bytes, bounds: Bounds) -> CutDocument:
    """The document, or the DocumentError that was sent in its place, raised.

    UnreadableDocument for an answer that is none, or that no honest child gives.
    """
    try:
        kind, *fields = islice(_frames(answer), _FRAMES + 1)
        if kind == _DOCUMENT:
            return _document(bounds, *fields)
        code, message = (str(field[: 4 * _LONGEST_MESSAGE], "utf-8", "replace") for field in fields)
        refused = _REFUSALS.get(code, UnreadableDocument)(plain_name(message)[:_LONGEST_MESSAGE])
    except (ValueError, TypeError, LookupError, ArithmeticError, struct.error) as error:
        raise UnreadableDocument("The file makes its parser answer nonsense.") from error
    raise refused


def _document(  # noqa: PLR0913, PLR0917 - the fields of an answer
    bounds: Bounds,
    text: memoryview,
    title: memoryview,
    names: memoryview,
    headings: memoryview,
    pages: memoryview,
    paths: memoryview,
    passages: memoryview,
) -> CutDocument:
    whole, known = _text(text, bounds.text_bytes), _names(names)
    parsed = ParsedDocument(
        text=whole,
        title=_name(str(title, "utf-8"), MAX_TITLE) or None,
        headings=tuple(_headings(headings, known, len(whole))),
        pages=tuple(_pages(pages, len(whole))),
    )
    ways = [_path(numbers, known) for numbers in _bounded(_PATH, paths, len(passages) // _PASSAGE.size)]
    return CutDocument(parsed, tuple(_chunks(passages, whole, ways, bounds.passage_tokens)))


def _text(field: memoryview, most_bytes: int) -> str:
    if len(field) > most_bytes:
        raise ValueError("more text than is read")
    text = str(field, "utf-8")
    if not is_clean(text):
        raise ValueError("text that no parser leaves")
    return text


def _names(field: memoryview) -> list[str]:
    joined = str(field, "utf-8")
    if joined.count("\n") >= _MOST_PLACES:
        raise ValueError("too many names")
    return [_name(name, MAX_HEADING) for name in joined.split("\n")]


def _name(name: str, longest: int) -> str:
    if len(name) > longest:
        raise ValueError("a name without end")
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
    for number, start, end in _bounded(_PAGE, field, _MOST_PLACES):
        if not before <= start < end <= end_of_text:
            raise ValueError("a page outside the text")
        yield Page(_index(number), start, end)
        before = end


def _path(numbers: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[_index(number)] for number in numbers if number != _NONE)


def _chunks(
    field: memoryview, text: str, paths: Sequence[tuple[str, ...]], most_tokens: int
) -> Iterator[Chunk]:
    longest, before = ROOM_A_TOKEN * most_tokens, 0
    rows = _bounded(_PASSAGE, field, most_passages(len(text), most_tokens))
    for index, (start, end, tokens, page, path) in enumerate(rows):
        if not before <= start < end <= min(len(text), start + longest) or not 0 <= tokens <= most_tokens:
            raise ValueError("a passage that no chunker makes")
        number = None if page == _NONE else _index(page)
        yield Chunk(index, text[start:end], start, end, tokens, number, paths[_index(path)])
        before = end


def _index(number: int) -> int:
    """Negative ones would count from the end."""
    if number < 0:
        raise ValueError("a number below zero")
    return number


def _numbers(chunk: Chunk, path: int) -> tuple[int, ...]:
    return chunk.start, chunk.end, chunk.tokens, _NONE if chunk.page is None else chunk.page, path


def _padded(path: Sequence[int]) -> tuple[int, ...]:
    return (*path, *[_NONE] * (DEEPEST_HEADING - len(path)))


def _rows(form: struct.Struct, rows: Iterable[Sequence[int]]) -> bytes:
    return b"".join(form.pack(*row) for row in rows)


def _bounded(form: struct.Struct, field: memoryview, most: int) -> Iterator[tuple[int, ...]]:
    if len(field) > most * form.size:
        raise ValueError("too many rows")
    return form.iter_unpack(field)


def _frames(answer: bytes) -> Iterator[memoryview]:
    rest = memoryview(answer)
    while rest:
        (length,) = LENGTH.unpack_from(rest)
        frame, rest = rest[LENGTH.size :][:length], rest[LENGTH.size :][length:]
        if len(frame) < length:
            raise ValueError("an answer that was cut off")
        yield frame
