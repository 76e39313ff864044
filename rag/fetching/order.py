"""The order to fetch a document, with its bounds, and the document that was fetched."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A port of this installation, which nothing is fetched from; ``host`` '' is this machine."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Order:
    """``max_bytes`` bounds the unpacked document, ``seconds`` the whole fetch with its name resolution.

    ``allow_private``: whether it may come from private or loopback addresses. ``own``: services that
    nothing is fetched from.
    """

    url: str
    max_bytes: int
    seconds: float
    allow_private: bool = False
    own: tuple[Service, ...] = ()

    @property
    def answer_bytes(self) -> int:
        """The most bytes that the document can have once its text is UTF-8 with a mark."""
        return 3 * self.max_bytes + 3

    def packed(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> "Order":
        fields = json.loads(data)
        return cls(**{**fields, "own": tuple(Service(**service) for service in fields["own"])})


@dataclass(frozen=True, slots=True)
class Fetched:
    """``url`` is where the bytes came from after redirects, without its query.

    ``filename`` is one part of a path, printable and short; ``media_type`` is a readable one.
    """

    data: bytes
    filename: str | None
    media_type: str
    url: str
