"""What a request's head may be, before and after it is parsed; and the answer to one that may not.

By RFC 9112, RFC 9110 and RFC 6585. llhttp, the parser, refuses some by itself: two lengths, a length beside
``Transfer-Encoding``, control characters, folded lines, bare line feeds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from api.http.connections import Bounds

# Code and title of the problems of HTTP itself: the same before a route is reached and behind it.
HTTP_PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "The request cannot be read"),
    404: ("no-such-path", "There is nothing at this path"),
    405: ("method-not-allowed", "This path does not take this method"),
    408: ("request-timeout", "The request came too slowly"),
    413: ("body-too-large", "The body is too large for this call"),
    414: ("address-too-long", "The address is too long"),
    431: ("head-too-large", "The request's head is too large"),
    501: ("not-implemented", "This is not spoken here"),
    503: ("too-many-connections", "Too many connections are open"),
    505: ("version-not-supported", "This version of HTTP is not spoken here"),
}
# A proxy and this server could pick different ones of two.
_ONCE = (b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding")


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - it is no error of ours
    """A request that is refused before any route. ``status`` is one of ``HTTP_PROBLEMS``."""

    status: HTTPStatus
    detail: str

    def answer(self) -> bytes:
        """The whole answer: a problem document, after which the connection ends."""
        code, title = HTTP_PROBLEMS[self.status]
        told = {"title": title, "status": int(self.status), "detail": self.detail}
        body = json.dumps({"type": f"urn:aegis:problem:{code}", **told}).encode()
        retry = "retry-after: 2\r\n" if self.status is HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {int(self.status)} {self.status.phrase}\r\n"
            f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            f"{retry}connection: close\r\n\r\n"
        )
        return head.encode() + body


def check_begin(head: bytes, bounds: Bounds) -> None:
    """Refusal of the begin of a head that cannot become a good one."""
    line = head.find(b"\n")
    if line > 0 and head[line - 1 : line] != b"\r":
        raise Refusal(HTTPStatus.BAD_REQUEST, "Lines of a head end with CR LF")
    if (line if line >= 0 else len(head)) > bounds.target + 64:
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"An address may have {bounds.target} bytes")
    if len(head) > bounds.head:
        raise _too_large(bounds)


def check_size(head: bytes, bounds: Bounds) -> None:
    """Refusal of a whole head that is over a limit."""
    check_begin(head, bounds)
    if head.count(b"\r\n") - 2 > bounds.headers:
        raise _too_large(bounds)


def _too_large(bounds: Bounds) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"A request's head may have {bounds.head} bytes and {bounds.headers} headers",
    )


def check_parsed(method: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refusal of a head that two servers could read differently, or that asks for what is not supported.

    ``headers``: with names in lower case.
    """
    if version not in ("1.0", "1.1"):
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This server speaks HTTP/1.0 and HTTP/1.1")
    if method == b"CONNECT":
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "This is no proxy")
    names = [name for name, _ in headers]
    for name in _ONCE:
        if names.count(name) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{name.decode()}: is there twice")
    coding = next((value for name, value in headers if name == b"transfer-encoding"), None)
    if coding is None:
        return
    if version == "1.0":
        raise Refusal(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding")
    if coding.strip().lower() != b"chunked":
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "The only Transfer-Encoding that is read is chunked")
