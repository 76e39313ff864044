"""Follows a URL to its document. Each hop's addresses are checked, and a checked one is connected to."""

import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import certifi
import h11

from rag.errors import (
    AegisError,
    ErrorTable,
    InvalidRequest,
    NotFound,
    Overloaded,
    TimedOut,
    Unavailable,
    translated,
)
from rag.fetching.addresses import Address, Reach, bare, reach_of
from rag.fetching.description import clean, described, retry_after
from rag.fetching.exchange import Exchange
from rag.fetching.order import Fetched, Order, Service
from rag.fetching.urls import Target, target_of

REDIRECTS = 5
_ADDRESSES = 4  # of a host that are tried
_CONNECT_SECONDS = 5.0
_QUIET_SECONDS = 15.0
_MOVED = (301, 302, 303, 307, 308)

_ERRORS: ErrorTable = {
    TimeoutError: TimedOut,
    ssl.SSLError: Unavailable,
    OSError: Unavailable,
    h11.RemoteProtocolError: Unavailable,
    zlib.error: Unavailable,
    h11.LocalProtocolError: InvalidRequest,
    UnicodeError: InvalidRequest,
}

_CLOSED = "is not fetched from: its address is link-local, reserved or a metadata service."
_PRIVATE = "is inside a private network and is not fetched from. FETCH_PRIVATE_ADDRESSES=true allows it."

Resolve = Callable[[str], Sequence[Address]]


def resolved(host: str) -> Sequence[Address]:
    """A host's addresses, in the resolver's order. InvalidRequest; Unavailable."""
    try:
        found = socket.getaddrinfo(host.strip("[]").encode("ascii"), None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        problem = Unavailable if error.errno == socket.EAI_AGAIN else InvalidRequest
        raise problem(f"The host {host} cannot be found: {error.strerror}.") from error
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class Download:
    """Carries out one order."""

    def __init__(self, order: Order, resolve: Resolve = resolved, tls: ssl.SSLContext | None = None) -> None:
        """Reads the certificates of the public authorities; ``tls`` is used in place of theirs."""
        self._order = order
        self._resolve = resolve
        self._tls = tls
        self._authorities = Path(certifi.where()).read_text("ascii", "replace")

    def run(self) -> Fetched:
        """Follow redirects to the document.

        Raises InvalidRequest for a URL or answer that cannot be used, among them addresses that nothing
        is fetched from; NotFound for 404 and 410; UnsupportedMedia; DocumentTooLarge; and Unavailable,
        Overloaded or TimedOut when trying later may help.
        """
        target = target_of(self._order.url)
        for _ in range(REDIRECTS + 1):
            with translated(_ERRORS, f"Fetching {target.redacted}"), self._connected(target) as connection:
                exchange = Exchange(connection, self._order.max_bytes)
                response = exchange.head(target)
                # Of headers with the same name the first one counts.
                headers = {_decoded(name): _decoded(value) for name, value in reversed(response.headers)}
                if response.status_code not in _MOVED or "location" not in headers:
                    if response.status_code != 200:
                        raise _problem(response.status_code, response.reason, headers, target)
                    about = described(target, headers, exchange.body(response))
                    return Fetched(bytes(about.data), about.filename, about.media_type, target.redacted)
            following = target.joined(headers["location"])
            # Without TLS, others in the network could read the document and the URL, which may hold a secret.
            if target.scheme == "https" and following.scheme == "http":
                raise InvalidRequest(
                    f"{target.redacted} leads from https:// to http://, which is not followed."
                )
            target = following
        raise InvalidRequest(f"{target.redacted} leads on and on: more than {REDIRECTS} redirects.")

    @contextmanager
    def _connected(self, target: Target) -> Iterator[socket.socket]:
        """A connection to the first allowed address that can be reached."""
        with self._first_reached(target, self._allowed_addresses(target)) as plain:
            if target.scheme == "http":
                yield plain
                return
            tls = self._tls
            if tls is None:
                tls = ssl.create_default_context(cadata=self._authorities)
                tls.set_alpn_protocols(["http/1.1"])
            try:
                # The certificate has to be for the name, although the connection went to an address.
                secured = tls.wrap_socket(plain, server_hostname=target.host.strip("[]"))
            except ssl.SSLCertVerificationError as error:
                reason = clean(error.verify_message, 200)
                raise InvalidRequest(f"{target.redacted} has no valid certificate: {reason}") from error
            with secured:
                yield secured

    def _first_reached(self, target: Target, addresses: Sequence[Address]) -> socket.socket:
        *others, last = addresses[:_ADDRESSES]
        for address in others:
            with suppress(OSError):  # the next address may be reachable: hosts often lack IPv6
                return self._reached(target, address)
        return self._reached(target, last)

    def _reached(self, target: Target, address: Address) -> socket.socket:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect((str(address), target.port))
            connection.settimeout(_QUIET_SECONDS)
            if connection.getpeername()[0] == connection.getsockname()[0]:  # this very machine
                _check_own(target, Service("", target.port) in self._order.own)
        except BaseException:
            connection.close()
            raise
        return connection

    def _allowed_addresses(self, target: Target) -> list[Address]:
        """The host's addresses that a document may come from, in the resolver's order; never empty."""
        addresses = [bare(address) for address in self._resolve(target.host)]
        most = Reach.PRIVATE if self._order.allow_private else Reach.PUBLIC
        allowed = [address for address in addresses if reach_of(address) <= most]
        if not allowed:
            closed = min(map(reach_of, addresses), default=Reach.CLOSED) is Reach.CLOSED
            raise InvalidRequest(f"{target.host} {_CLOSED if closed else _PRIVATE}")
        for address in allowed:
            if reach_of(address) is Reach.PRIVATE:
                there = (self._is_at(each, target, address) for each in self._order.own)
                _check_own(target, any(there))
        return allowed

    def _is_at(self, service: Service, target: Target, address: Address) -> bool:
        if service.port != target.port:
            return False
        if not service.host:
            return address.is_loopback
        if service.host == target.host:
            return True
        with suppress(InvalidRequest, Unavailable):  # a service with an unknown name is at no address
            return address in self._resolve(service.host)
        return False


def _check_own(target: Target, is_own: bool) -> None:
    if is_own:
        raise InvalidRequest(f"{target.authority} is a part of this installation and is not fetched from.")


def _decoded(value: bytes) -> str:
    try:  # headers have to be ASCII, and many servers write UTF-8
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _problem(status: int, reason: bytes, headers: dict[str, str], target: Target) -> AegisError:
    answer = f"{target.redacted} answers {status} {clean(_decoded(reason))}".rstrip()
    if status in (404, 410):
        return NotFound(f"{answer}: there is no document.")
    if status == 429:
        return Overloaded(answer, retry_after=retry_after(headers))
    if status >= 500 or status in (408, 425):
        return Unavailable(answer, retry_after=retry_after(headers))
    hint = ": it asks for a login." if status in (401, 403) else ": that is no document."
    return InvalidRequest(answer + hint)
