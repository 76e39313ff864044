"""Reads URLs, by one parser everywhere, and shows them without what may be a secret.

Whoever has a signed URL has the document, so only the scheme, host and path of a URL are ever shown.
"""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from pydantic_core import Url

from rag.errors import InvalidRequest

LONGEST = 8_192
"""Characters of a URL; signed ones have some two thousand."""

_LONGEST_SHOWN = 300
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be fetched. ``host`` is ASCII, in brackets for IPv6; ``path`` has no query."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None

    @property
    def authority(self) -> str:
        """The Host header: RFC 9110, 7.2."""
        default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if default else f"{self.host}:{self.port}"

    @property
    def resource(self) -> str:
        """The request target: RFC 9112, 3.2.1."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def redacted(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"[:_LONGEST_SHOWN]

    def joined(self, location: str) -> "Target":
        """Where a redirect to ``location`` leads. InvalidRequest for what is no URL."""
        base = f"{self.scheme}://{self.authority}{self.resource}"
        try:
            return target_of(urljoin(base, location[: LONGEST + 1]))
        except ValueError as error:
            raise InvalidRequest(f"{self.redacted} leads to an address that cannot be read.") from error


def target_of(url: str) -> Target:
    """Read a URL. InvalidRequest, whose message does not repeat the URL, for one that is not fetched."""
    if len(url) > LONGEST:
        raise InvalidRequest(f"A URL of more than {LONGEST} characters is not fetched.")
    parsed = _parsed(url)
    if parsed is None or parsed.scheme not in _DEFAULT_PORTS or not parsed.host or not parsed.port:
        raise InvalidRequest("This cannot be fetched: give an http:// or https:// URL with a host.")
    if parsed.username or parsed.password:
        raise InvalidRequest("A URL with a user name or password in it is not fetched.")
    host = parsed.host.removesuffix(".")
    if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
        raise InvalidRequest("The URL's host has characters that no host name has, or too many.")
    return Target(parsed.scheme, host, parsed.port, parsed.path or "/", parsed.query)


def redacted(url: str) -> str:
    """Scheme, host and path of any URL; without user, password, query and fragment."""
    parsed = _parsed(url)
    if parsed is None or not parsed.host:
        return "(an address that cannot be read)"
    port = "" if parsed.port in (None, _DEFAULT_PORTS.get(parsed.scheme)) else f":{parsed.port}"
    hidden = "?…" if parsed.query or parsed.fragment else ""
    return f"{parsed.scheme}://{parsed.host}{port}{parsed.path or '/'}"[:_LONGEST_SHOWN] + hidden


def _parsed(url: str) -> Url | None:
    try:
        return Url(url[: LONGEST + 1])
    except ValueError:
        return None
