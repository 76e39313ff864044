"""What goes between a nursery, its zygote and the children: frames and answers.

A frame is its length (8 bytes, big endian) and as many bytes. A request is two frames, the
media type and the file; an answer is one, MessagePack of :func:`packed` or :func:`refusal`.

Whoever wrote an answer may have been taken over by the file that it read, so the answer is checked.
"""

import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import msgpack

from rag.errors import (
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    UnreadableDocument,
    UnsupportedMedia,
)
from rag.model import Chunk, CutDocument, Heading, Page, ParsedDocument
from rag.naming import plain_name

_LENGTH = struct.Struct(">Q")
_PIECE = 1 << 20
_LONGEST_MESSAGE = 2_000
_REFUSALS: Mapping[str, type[DocumentError]] = {
    kind.code: kind for kind in (DocumentTooLarge, EmptyDocument, UnreadableDocument, UnsupportedMedia)
}


def send(connection: socket.socket, *payloads: bytes) -> None:
    """Raises OSError when the other side has gone."""
    for payload in payloads:
        connection.sendall(_LENGTH.pack(len(payload)))
        connection.sendall(payload)


def receive(connection: socket.socket) -> bytes:
    """Raises EOFError when the other side has closed, TimeoutError by the socket's own limit."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    payload = bytearray()
    while len(payload) < length:
        piece = connection.recv(min(_PIECE, length - len(payload)))
        if not piece:
            raise EOFError("the connection was closed")
        payload += piece
    return bytes(payload)


def packed(document: ParsedDocument, chunks: Sequence[Chunk] = ()) -> bytes:
    headings = [astuple(heading) for heading in document.headings]
    pages = [astuple(page) for page in document.pages]
    paths = {path: n for n, path in enumerate(dict.fromkeys(chunk.headings for chunk in chunks))}
    places = [(one.start, one.end, one.tokens, one.page, paths[one.headings]) for one in chunks]
    return _pack(["ok", document.text, document.title, headings, pages, list(paths), places])


def refusal(error: DocumentError) -> bytes:
    return _pack(["error", error.code, str(error)])


def unpacked(answer: bytes) -> CutDocument:
    """The document, or the DocumentError that was sent in its place, raised.

    UnreadableDocument for an answer that is none.
    """
    try:
        kind, *fields = msgpack.unpackb(answer, max_str_len=len(answer), max_array_len=len(answer))
        if kind == "ok":
            return _document(*fields)
        code, message = fields
        refused = _REFUSALS.get(code, UnreadableDocument)(plain_name(message)[:_LONGEST_MESSAGE])
    except (ValueError, TypeError, LookupError) as error:
        raise UnreadableDocument("The file makes its parser answer nonsense.") from error
    raise refused


def _document(  # noqa: PLR0913, PLR0917 - the fields of an answer
    text: str,
    title: str | None,
    headings: Sequence[Sequence[Any]],
    pages: Sequence[Sequence[Any]],
    paths: Sequence[Sequence[str]],
    places: Sequence[Sequence[Any]],
) -> CutDocument:
    if not isinstance(text, str):
        raise TypeError("no text")
    names = [tuple(map(plain_name, path)) for path in paths]
    parsed = ParsedDocument(
        text=text,
        title=None if title is None else plain_name(title),
        headings=tuple(
            Heading(int(start), int(level), plain_name(words)) for start, level, words in headings
        ),
        pages=tuple(Page(*map(int, page)) for page in pages),
    )
    chunks: list[Chunk] = []
    for index, (start, end, tokens, page, path) in enumerate(places):
        if not (chunks[-1].end if chunks else 0) <= start < end <= len(text) or tokens < 0:
            raise ValueError("a passage outside the text")
        number = None if page is None else int(page)
        chunks.append(Chunk(index, text[start:end], start, end, int(tokens), number, names[path]))
    return CutDocument(parsed, tuple(chunks))


def _pack(value: list[Any]) -> bytes:
    payload: bytes = msgpack.packb(value)
    return payload
