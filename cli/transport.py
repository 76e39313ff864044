"""What the client's calls go through: the address, proxies and certificates that somebody set."""

import os
from collections.abc import Iterator
from ssl import SSLContext
from typing import Any

import httpx

from rag.addresses import is_loopback
from rag.errors import ConfigurationError

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def http_client(url: str, source: str, **options: Any) -> httpx.Client:
    """This machine is reached without a proxy, whatever the environment says.

    ConfigurationError, which names ``source`` or the variable, for what cannot be used.
    """
    here = is_loopback(checked_host(url, source))
    if not here:
        for name, proxy in _given(_PROXIES):
            _check_proxy(name, proxy)
    try:
        return httpx.Client(base_url=url, trust_env=not here, verify=_verify(url), **options)
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"NO_PROXY: {error}") from error


def checked_host(url: str, source: str) -> str:
    """The host in ``url``. ConfigurationError when no host can have that name."""
    try:
        address = httpx.URL(url)
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
        httpx.HTTPTransport(verify=False, proxy=url).close()
    except ImportError as error:
        raise ConfigurationError(f"{name}: a SOCKS proxy is not supported, one of HTTP is") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def _verify(url: str) -> SSLContext | bool:
    """Where no certificate comes, none need be loaded."""
    if url.startswith("http:"):
        return False
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        named = " or ".join(name for name, _ in _given(_CERTIFICATES)) or "certificates"
        raise ConfigurationError(f"{named} cannot be used: {error.strerror or error}") from error


def _given(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Variables of the environment that have a value, in capitals or small letters."""
    for name in (spelt for each in names for spelt in (each, each.lower())):
        if value := os.environ.get(name):
            yield name, value
