"""Refuses requests that a web page made a browser send, and that the page may not send.

A browser sends what any page asks it to, from inside the network and from this machine. So a server that
asks for no key must recognise such requests by what the browser itself writes and no page can change:

- ``Host``. A page whose name was made to resolve to our address afterwards (DNS rebinding)
  counts as ours for the browser; its requests still carry its own name.
- ``Sec-Fetch-Site``, and where it is missing ``Origin``
  (https://www.w3.org/TR/fetch-metadata/, https://fetch.spec.whatwg.org/#origin-header): who asks.
  Programs send neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from rag.settings import Settings
from rag.web.addresses import address_of, host_of, is_loopback

ANY = "*"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
"""Sent by a page of ours, or by no page: the address was typed into the browser."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request tells about its sender.

    ``host``: the Host header, None for none, "" for several. ``origin``, ``site`` and ``mode``: Origin,
    Sec-Fetch-Site and Sec-Fetch-Mode, None where they were not sent. ``arrived``: our own address
    that it came to, None where that is unknown or no network address.
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

    ``local``: only this machine is served. ``names``: the hosts, beside loopback, that this server answers
    as: names, ``*.domain`` or ``*``; None: Host is not checked. ``any_address``: every address is allowed
    as Host, since a machine does not know by which ones it is reached, and no page can have one of ours.
    ``origins``: pages that may call this server. ``guarded``: paths that foreign pages may not even read.
    """

    local: bool
    names: tuple[str, ...] | None
    any_address: bool
    origins: frozenset[str]
    guarded: str

    @classmethod
    def of(cls, settings: Settings, *, anonymous: bool, origins: Iterable[str], guarded: str) -> Self:
        """``anonymous``: the server asks for no key. With keys, a foreign name of this server is harmless."""
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
        """Why the request is refused; None for one that may go on."""
        # Within a test, a server may have a name instead of an address: that is no other machine.
        arrived = request.arrived
        if self.local and arrived is not None and address_of(arrived) and not is_loopback(arrived):
            return _ELSEWHERE
        if self.names is not None and not self._is_ours(request.host, self.names):
            return _HOST
        # What changes something is guarded, and what a page could read; not a page that a link leads to.
        read = request.path.startswith(self.guarded) and request.mode != "navigate"
        if (read or request.method not in _SAFE_METHODS) and self._is_foreign(request):
            return _ORIGIN
        return None

    def _is_ours(self, sent: str | None, names: tuple[str, ...]) -> bool:
        """Whether the Host header names this server. Without one, the request is not from a browser."""
        if ANY in names or sent is None:
            return True
        host = host_of(sent)
        if host is None:
            return False
        suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        if is_loopback(host) or host in names or host.endswith(suffixes):
            return True
        return self.any_address and address_of(host) is not None

    def _is_foreign(self, request: RequestContext) -> bool:
        """Whether a page sent the request that is neither ours nor in ``origins``."""
        if request.origin is not None and not self.origins.isdisjoint((request.origin, ANY)):
            return False
        if request.site is not None:
            return request.site not in _OWN_SITES
        if request.origin is None:
            return False
        return request.origin.partition("://")[2].lower() != (request.host or "").lower()


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
