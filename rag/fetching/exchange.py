"""Sends one request over a connection and reads its answer: RFC 9112 by h11, gzip (RFC 1952) by zlib.

Everything that the other side sends is counted: the head with all the interim answers before it, what
comes over the wire, and what it is unpacked to. The process that waits bounds the time.
"""

import socket
import zlib
from collections.abc import Iterator

import h11

from rag.errors import DocumentTooLarge, InvalidRequest, Unavailable
from rag.fetching.urls import Target

HEAD_BYTES = 65_536
"""Of an answer's head, with the interim answers before it; of its trailers too."""

HIGHEST_RATIO = 200
"""Bytes that one byte may unpack to. Text on the web comes to ten or so, a bomb to a thousand."""

FREE_BYTES = 1 << 20
"""What any document may unpack to, whatever its ratio."""

_GZIP_WINDOW = 31  # zlib's name for a window of 32 KB within gzip's frame
_PIECE = 16_384
_HEADERS = (
    ("User-Agent", "aegis-rag"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip"),
    ("Connection", "close"),
)
_NOT_PACKED = ("", "identity")
_GZIPPED = ("gzip", "x-gzip")


class Gunzip:
    """Unpacks gzip piece by piece: members that follow one another, with zeros between or behind them.

    Raises zlib.error for what is no gzip.
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self.packed = 0
        self._unpacked = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What ``piece`` unpacks to. DocumentTooLarge past the ratio."""
        self.packed += len(piece)
        while piece:
            if self._member.eof:
                piece = piece.lstrip(b"\0")
                if not piece:
                    return
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            out = self._member.decompress(piece, _PIECE)
            self._unpacked += len(out)
            if self._unpacked > HIGHEST_RATIO * self.packed + FREE_BYTES:
                raise DocumentTooLarge("The document is packed so tightly that it must be a bomb.")
            yield out
            piece = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Unavailable unless every member that began has ended."""
        if self.packed and not self._member.eof:
            raise Unavailable("The document broke off before its end.")


class Exchange:
    """Over an open connection that has a timeout. Raises OSErrors and h11's errors as they come."""

    def __init__(self, connection: socket.socket, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._received = 0

    def head(self, target: Target) -> h11.Response:
        """Ask for ``target``, and return the final answer's head. InvalidRequest for one that is too long."""
        request = h11.Request(
            method="GET", target=target.resource, headers=[("Host", target.authority), *_HEADERS]
        )
        self._connection.sendall(self._http.send(request) + self._http.send(h11.EndOfMessage()))
        while not isinstance(event := self._http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                if self._received > HEAD_BYTES:
                    raise InvalidRequest(
                        f"{target.redacted} answers with a head of over {HEAD_BYTES >> 10} KB."
                    )
                self._receive()
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed | h11.EndOfMessage):
                raise Unavailable(f"{target.redacted} does not answer in HTTP.")
        return event

    def body(self, response: h11.Response) -> bytearray:
        """The document, unpacked. DocumentTooLarge past a bound; InvalidRequest for another packing."""
        encodings = []
        for name, value in response.headers:
            if name == b"content-length" and int(value[:20]) > self._max_bytes:
                raise self._too_large()
            if name == b"content-encoding":
                encodings.append(value.decode("latin-1"))
        encoding = ",".join(encodings).strip().lower()  # several ones are refused
        if encoding not in (*_NOT_PACKED, *_GZIPPED):
            raise InvalidRequest("The document is packed in a way that was not asked for: only gzip is read.")
        # The stated length may be wrong or missing, so what comes is counted too.
        document = bytearray()
        for piece in self._unzipped() if encoding in _GZIPPED else self._pieces():
            document += piece
            if len(document) > self._max_bytes:
                raise self._too_large()
        return document

    def _pieces(self) -> Iterator[bytes]:
        """The body as it was sent. What frames its chunks may take as many bytes again."""
        most = 2 * self._max_bytes + FREE_BYTES
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif event is h11.NEED_DATA:
                self._receive()
            if self._received > most:
                raise self._too_large()

    def _unzipped(self) -> Iterator[bytes]:
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
