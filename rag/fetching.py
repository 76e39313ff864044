"""Documents given by URL, fetched without lending the caller our place in the network.

At every hop the name is resolved here, each address is judged, and the connection goes to
the very address that was judged, with the name kept for TLS and the Host header: so neither
a redirect nor a name that resolves to something else a moment later (DNS rebinding) leads
inside.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from rag.errors import (
    AegisError,
    DocumentTooLarge,
    ErrorTable,
    InvalidRequest,
    NotFound,
    Overloaded,
    TimedOut,
    Unavailable,
    translated,
)
from rag.media import HEAD_BYTES, READABLE, TEXT, media_type_of

_REDIRECTS = 5
_QUIET_SECONDS = 15.0
_LONGEST_RETRY = 3600.0
_CLOUD_WIRE = IPv4Address("168.63.129.16")  # Azure's host, on a public address
_NAT64 = bytes.fromhex("0064ff9b0000000000000000")  # RFC 6052

_ERRORS: ErrorTable = {
    httpx.TimeoutException: TimedOut,
    httpx.InvalidURL: InvalidRequest,
    httpx.TransportError: Unavailable,
    httpx.DecodingError: Unavailable,
    UnicodeError: InvalidRequest,
}

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Fetched:
    """``url`` is where the bytes came from after redirects; ``media_type`` is a readable one."""

    data: bytes
    filename: str | None
    media_type: str
    url: str


def fetch(url: str, *, max_bytes: int, allow_private: bool, timeout: float) -> Fetched:
    """Get the document at an http or https URL; ``timeout`` in seconds bounds all of it.

    Raises InvalidRequest for a URL or answer that cannot be used, among them addresses
    inside our network unless ``allow_private``; NotFound for 404 and 410; UnsupportedMedia;
    DocumentTooLarge; and Unavailable, Overloaded or TimedOut when trying later may help.
    """
    deadline = time.monotonic() + timeout
    with translated(_ERRORS, f"Fetching {url}"), _client(timeout) as client:
        for _ in range(_REDIRECTS + 1):
            with _opened(client, _checked(url), allow_private) as response:
                if not response.has_redirect_location:
                    _check_status(response, url)
                    return _fetched(url, response, _body(response, max_bytes, deadline))
                url = str(httpx.URL(url).join(response.headers["location"]))
            _check_time(deadline)
    raise InvalidRequest(f"{url} leads on and on: more than {_REDIRECTS} redirects.")


def _client(timeout: float) -> httpx.Client:
    """Without proxies from the environment: they would connect to addresses that nobody judged."""
    return httpx.Client(
        timeout=min(timeout, _QUIET_SECONDS),
        trust_env=False,
        headers={"User-Agent": "aegis-rag", "Accept": "*/*", "Accept-Encoding": "gzip"},
    )


def _checked(url: str) -> httpx.URL:
    target = httpx.URL(url)
    if target.scheme not in ("http", "https") or not target.host:
        raise InvalidRequest(f"{url!r} cannot be fetched: give an http:// or https:// URL with a host.")
    if target.userinfo:
        raise InvalidRequest("A URL with a user name or password in it is not fetched.")
    return target


@contextmanager
def _opened(client: httpx.Client, target: httpx.URL, allow_private: bool) -> Iterator[httpx.Response]:
    """The answer of the first judged address that can be reached, its body still to come."""
    client.cookies.clear()
    response = _first_answer(client, target, _judged(target, allow_private))
    try:
        yield response
    finally:
        response.close()


def _first_answer(client: httpx.Client, target: httpx.URL, addresses: Sequence[Address]) -> httpx.Response:
    *others, last = addresses
    for address in others:
        try:
            return client.send(_request(client, target, address), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue  # the next address may be reachable: hosts often lack IPv6
    try:
        return client.send(_request(client, target, last), stream=True)
    except httpx.ConnectError as error:
        if isinstance(error.__context__, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(error):
            raise InvalidRequest(f"{target} has no valid certificate: {error}") from error
        raise


def _request(client: httpx.Client, target: httpx.URL, address: Address) -> httpx.Request:
    return client.build_request(
        "GET",
        target.copy_with(host=str(address)),
        headers={"Host": target.netloc.decode("ascii")},
        extensions={"sni_hostname": target.raw_host.decode("ascii")},
    )


def _judged(target: httpx.URL, allow_private: bool) -> list[Address]:
    """The host's addresses that may be asked, in the resolver's order; never empty."""
    addresses = _resolved(target)
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise InvalidRequest(
            f"{target.host} is inside a private network and is not fetched from. "
            "FETCH_PRIVATE_ADDRESSES=true allows it."
        )
    return allowed


def _resolved(target: httpx.URL) -> list[Address]:
    host = target.raw_host.decode("ascii").strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        problem = Unavailable if error.errno == socket.EAI_AGAIN else InvalidRequest
        raise problem(f"The host {target.host} cannot be found: {error.strerror}.") from error
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet, seen through IPv6's ways to wrap IPv4."""
    if isinstance(address, IPv6Address) and (inner := _wrapped(address)):
        return is_public(inner)
    return address.is_global and not address.is_multicast and address != _CLOUD_WIRE


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address.packed.startswith(_NAT64):
        return IPv4Address(address.packed[-4:])
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def _check_status(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status == 200:
        return
    answer = f"{url} answers {status} {response.reason_phrase}".rstrip()
    if status in (404, 410):
        raise NotFound(f"{answer}: there is no document.")
    if status == 429:
        raise Overloaded(answer, retry_after=_retry_after(response))
    if status >= 500 or status in (408, 425):
        raise Unavailable(answer, retry_after=_retry_after(response))
    hint = ": it asks for a login." if status in (401, 403) else ": that is no document."
    raise InvalidRequest(answer + hint)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from now (RFC 9110, 10.2.3: a number, or a date), an hour at most."""
    stated = response.headers.get("retry-after", "")
    try:
        seconds = (
            float(stated) if stated.isdigit() else parsedate_to_datetime(stated).timestamp() - time.time()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY)


def _body(response: httpx.Response, max_bytes: int, deadline: float) -> bytes:
    if int(response.headers.get("content-length") or 0) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        _check_time(deadline)
    return bytes(body)


def _too_large(max_bytes: int) -> AegisError:
    return DocumentTooLarge(f"The document at this URL is larger than {max_bytes / 1e6:g} MB.")


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimedOut("The document did not arrive in time.")


def _fetched(url: str, response: httpx.Response, data: bytes) -> Fetched:
    about = Message()
    for name in ("content-type", "content-disposition"):
        about[name] = response.headers.get(name, "")
    declared = about.get_content_type()
    path_name = unquote(PurePosixPath(httpx.URL(url).path).name)
    filename = about.get_filename() or path_name or None
    # A server knows its types better than a path does: /README.md may well be a web page.
    trusted = declared in READABLE and declared != TEXT
    kind = media_type_of(None if trusted else filename, declared, data[:HEAD_BYTES])
    charset = about.get_content_charset()
    return Fetched(_marked(data, charset) if kind.startswith("text/") else data, filename, kind, url)


def _marked(data: bytes, charset: str | None) -> bytes:
    """Text in a stated encoding as UTF-8 with a mark, which parsers believe first."""
    if charset in (None, "utf-8", "us-ascii"):
        return data
    try:
        return data.decode(charset).encode("utf-8-sig")
    except (LookupError, UnicodeError):
        return data
