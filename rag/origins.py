"""Requests that a web page had a browser send, and that its page may not.

A browser sends what any page asks it to, from inside the network and from this machine. So a
server that asks for no key must tell such requests from others by what the browser itself
writes, and no page can change:

- ``Host``. A page whose name was made to resolve to our address afterwards (DNS rebinding)
  counts as ours for the browser; its requests still carry its own name.
- ``Sec-Fetch-Site``, and where it is missing ``Origin``
  (https://www.w3.org/TR/fetch-metadata/, https://fetch.spec.whatwg.org/#origin-header): who asks.
  Programs send neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from rag.addresses import address_of, host_of, is_loopback
from rag.settings import Settings

ANY = "*"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
"""Of a page of ours, or of nobody's: what was typed into the browser."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request says of itself.

    ``host``: the Host header, None for none, "" for several. ``origin``, ``site`` and ``mode``: Origin,
    Sec-Fetch-Site and Sec-Fetch-Mode, None where they were not sent. ``arrived``: our own address
    that it came to, None where that is not known or no network address.
    """

    method: str
    path: str
    host: str | None
    origin: str | None = None
    site: str | None = None
    mode: str | None = None
    arrived: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """``code`` and ``title`` are the same for every instance; ``detail`` says what to do."""

    code: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Which requests are refused.

    ``local``: only this machine is served. ``names``: hosts that we answer as besides loopback, as
    names, ``*.domain`` or ``*``; None: Host is not looked at. ``any_address``: every address will do as
    Host, since a machine does not know by which ones it is reached; no page can have one of ours.
    ``origins``: pages that may call us. ``guarded``: paths that foreign pages may not even read.
    """

    local: bool
    names: tuple[str, ...] | None
    any_address: bool
    origins: frozenset[str]
    guarded: str

    @classmethod
    def of(cls, settings: Settings, *, anonymous: bool, origins: Iterable[str], guarded: str) -> Self:
        """``anonymous``: the server asks for no key; with one, a name that is not ours opens nothing."""
        looked_at = anonymous or bool(settings.allowed_hosts)
        names = tuple(name.lower() for name in (settings.listen_host, *settings.allowed_hosts))
        return cls(
            local=anonymous and not settings.allow_anonymous,
            names=names if looked_at else None,
            any_address=not is_loopback(settings.listen_host),
            origins=frozenset(origins),
            guarded=guarded,
        )

    def refusal(self, request: RequestContext) -> Refusal | None:
        """None for a request that may go on."""
        if self.local and request.arrived is not None and _is_elsewhere(request.arrived):
            return _ELSEWHERE
        if self.names is not None and not self._is_ours(request.host, self.names):
            return _HOST
        if self._is_guarded(request) and self._is_foreign(request):
            return _ORIGIN
        return None

    def _is_ours(self, sent: str | None, names: tuple[str, ...]) -> bool:
        """Whoever sends no Host is no browser, and has not been sent here by a page."""
        if ANY in names or sent is None:
            return True
        host = host_of(sent)
        if host is None:
            return False
        if is_loopback(host) or any(_fits(host, name) for name in names):
            return True
        return self.any_address and address_of(host) is not None

    def _is_guarded(self, request: RequestContext) -> bool:
        """What changes something, and what is read behind a page's back: not where a link leads."""
        if request.method not in _SAFE_METHODS:
            return True
        return request.path.startswith(self.guarded) and request.mode != "navigate"

    def _is_foreign(self, request: RequestContext) -> bool:
        if request.origin is not None and not self.origins.isdisjoint((request.origin, ANY)):
            return False
        if request.site is not None:
            return request.site not in _OWN_SITES
        if request.origin is None:
            return False
        return request.origin.partition("://")[2].lower() != (request.host or "").lower()


def _is_elsewhere(arrived: str) -> bool:
    """Not what a server that was made within a test calls itself."""
    return not is_loopback(arrived) and address_of(arrived) is not None


def _fits(host: str, name: str) -> bool:
    return host == name or (name.startswith("*.") and host.endswith(name[1:]))


_ELSEWHERE = Refusal(
    "no-key-elsewhere",
    "Without keys only this machine is served",
    "No key is asked for here, so only this machine is served: the operator sets API_KEYS, "
    "or ALLOW_ANONYMOUS=true if everybody is meant",
)
_HOST = Refusal(
    "foreign-host",
    "The Host header names somebody else",
    "The Host header is none of this server's names: the operator lists further ones in ALLOWED_HOSTS",
)
_ORIGIN = Refusal(
    "foreign-origin",
    "A page of another origin may not do this",
    "A browser sent this for a page of another origin: the operator lists those that may in CORS_ORIGINS",
)
