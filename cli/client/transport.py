"""How the client's requests are sent: address, proxies and certificates; and the files in them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, BinaryIO

import httpx

from rag.errors import ConfigurationError
from rag.web.addresses import is_loopback

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def http_client(url: str, source: str, **options: Any) -> httpx.Client:
    """A client for ``url``. Addresses of this machine are reached without a proxy.

    ConfigurationError, which names ``source`` or the variable, for what cannot be used.
    """
    here = is_loopback(checked_host(url, source))
    if not here:
        for name, proxy in _variables(_PROXIES):
            _check_proxy(name, proxy)
    verify: SSLContext | bool = False
    if not url.startswith("http:"):  # loading certificates takes a while, and HTTP needs none
        try:
            verify = httpx.create_ssl_context()
        except OSError as error:
            named = " or ".join(name for name, _ in _variables(_CERTIFICATES)) or "certificates"
            raise ConfigurationError(f"{named} cannot be used: {error.strerror or error}") from error
    try:
        return httpx.Client(base_url=url, trust_env=not here, verify=verify, **options)
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"NO_PROXY: {error}") from error


def checked_host(url: str, source: str) -> str:
    """The host in ``url``. ConfigurationError when no host can have that name."""
    try:
        address = httpx.URL(url)
        # The resolver encodes names so; a name that it cannot encode must be reported here.
        address.raw_host.decode().encode("idna")
        host = address.host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigurationError(f"{source}: {url!r} is no address: {error}") from error
    if "%" in host and ":" not in host:
        raise ConfigurationError(f"{source}: {url!r} is no address: no host has such a name")
    return host


def _check_proxy(name: str, proxy: str) -> None:
    url = proxy if "://" in proxy else f"http://{proxy}"
    checked_host(url, name)
    try:
        # Creating a transport is the only check that httpx has for a proxy; nothing is sent.
        httpx.HTTPTransport(verify=False, proxy=url).close()
    except ImportError as error:
        raise ConfigurationError(f"{name}: a SOCKS proxy is not supported, one of HTTP is") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def _variables(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The environment variables that have a value, in capital or small letters."""
    for name in (spelling for each in names for spelling in (each, each.lower())):
        if value := os.environ.get(name):
            yield name, value


class FixedLength:
    """An open file that seems to keep the length that it had at first, whatever is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size

    def read(self, most: int = -1) -> bytes:
        """OSError when the file has become shorter."""
        left = max(0, self._size - self._file.tell())
        piece = self._file.read(left if most < 0 else min(most, left))
        if left and most and not piece:
            raise OSError("it became shorter while it was sent")
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._size + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send. ``media_type`` None: the API finds it out from the name and the bytes."""

    stream: BinaryIO | FixedLength
    name: str
    media_type: str | None = None

    @property
    def form_field(self) -> tuple[str, BinaryIO | FixedLength] | tuple[str, BinaryIO | FixedLength, str]:
        """As httpx takes it. Names in a form are UTF-8, names of files need not be."""
        name = os.fsencode(self.name).decode("utf-8", "replace")
        return (name, self.stream, self.media_type) if self.media_type else (name, self.stream)
