"""One request and its answer over one connection: RFC 9112, read by h11.

Everything that the other side sends is counted: the head with all the interim answers before it, what
comes over the wire, and what it is unpacked to. How long it takes is bounded from outside.
"""

import socket
from collections.abc import Iterator

import h11

from rag.errors import DocumentTooLarge, InvalidRequest, Unavailable
from rag.fetching.packing import FREE_BYTES, Gunzip
from rag.fetching.urls import Target

HEAD_BYTES = 65_536
"""Of an answer's head, with the interim answers before it; of its trailers too."""

_PIECE = 16_384
_HEADERS = (
    ("User-Agent", "aegis-rag"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip"),
    ("Connection", "close"),
)
_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")


class Exchange:
    """Over a connection that is open, with a timeout. OSErrors and h11's errors pass."""

    def __init__(self, connection: socket.socket, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._received = 0

    def head(self, target: Target) -> h11.Response:
        """Ask for ``target``; the final answer's head. InvalidRequest for one that is too long."""
        request = h11.Request(
            method="GET", target=target.resource, headers=[("Host", target.authority), *_HEADERS]
        )
        self._connection.sendall(self._http.send(request) + self._http.send(h11.EndOfMessage()))
        while not isinstance(event := self._http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                if self._received > HEAD_BYTES:
                    raise InvalidRequest(f"{target.told} answers with a head of over {HEAD_BYTES >> 10} KB.")
                self._receive()
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed | h11.EndOfMessage):
                raise Unavailable(f"{target.told} does not answer in HTTP.")
        return event

    def body(self, response: h11.Response) -> bytearray:
        """The document, unpacked. DocumentTooLarge past a bound; InvalidRequest for another packing."""
        self._check_length(response)
        packing = _packing(response)
        if packing in _PLAIN:
            return self._collected(self._pieces())
        if packing in _GZIP:
            return self._collected(self._unpacked())
        raise InvalidRequest("The document is packed in a way that was not asked for: only gzip is read.")

    def _check_length(self, response: h11.Response) -> None:
        for name, value in response.headers:
            if name == b"content-length" and int(value[:20]) > self._max_bytes:
                raise self._too_large()

    def _collected(self, pieces: Iterator[bytes]) -> bytearray:
        document = bytearray()
        for piece in pieces:
            document += piece
            if len(document) > self._max_bytes:
                raise self._too_large()
        return document

    def _pieces(self) -> Iterator[bytes]:
        """The body as it was sent; its frames may take as much again."""
        most = 2 * self._max_bytes + FREE_BYTES
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif event is h11.NEED_DATA:
                self._receive()
            if self._received > most:
                raise self._too_large()

    def _unpacked(self) -> Iterator[bytes]:
        gunzip = Gunzip()
        for piece in self._pieces():
            yield from gunzip.feed(piece)
            if gunzip.packed > self._max_bytes:
                raise self._too_large()
        gunzip.finish()

    def _receive(self) -> None:
        data = self._connection.recv(_PIECE)
        self._received += len(data)
        self._http.receive_data(data)

    def _too_large(self) -> DocumentTooLarge:
        return DocumentTooLarge(f"The document at this URL is larger than {self._max_bytes / 1e6:g} MB.")


def _packing(response: h11.Response) -> str:
    """What all Content-Encoding headers say, "" without one; several encodings have commas between."""
    stated = b",".join(value for name, value in response.headers if name == b"content-encoding")
    return stated.decode("latin-1").strip().lower()
