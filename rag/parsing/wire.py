"""What goes between a nursery, its zygote and the children: frames and answers.

A frame is its length (8 bytes, big endian) and as many bytes. A request is two frames, the
media type and the file; an answer is one, MessagePack of :func:`packed` or :func:`refusal`.
"""

import socket
import struct
from collections.abc import Mapping
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
from rag.model import Heading, Page, ParsedDocument

_LENGTH = struct.Struct(">Q")
_PIECE = 1 << 20
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


def packed(document: ParsedDocument) -> bytes:
    headings = [astuple(heading) for heading in document.headings]
    pages = [astuple(page) for page in document.pages]
    return _pack(["ok", document.text, document.title, headings, pages])


def refusal(error: DocumentError) -> bytes:
    return _pack(["error", error.code, str(error)])


def unpacked(answer: bytes) -> ParsedDocument:
    """The document, or the DocumentError that was sent in its place, raised."""
    kind, *fields = msgpack.unpackb(answer, max_str_len=len(answer), max_array_len=len(answer))
    if kind == "error":
        code, message = fields
        raise _REFUSALS.get(code, UnreadableDocument)(message)
    text, title, headings, pages = fields
    return ParsedDocument(
        text=text,
        title=title,
        headings=tuple(Heading(*heading) for heading in headings),
        pages=tuple(Page(*page) for page in pages),
    )


def _pack(value: list[Any]) -> bytes:
    payload: bytes = msgpack.packb(value)
    return payload
