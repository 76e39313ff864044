"""What is to be fetched and within which bounds, and what came of it."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A port of this installation, which nothing is fetched from; ``host`` '': on this very machine."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Order:
    """``seconds`` bound all of the fetch, its names' resolution too; ``max_bytes`` the document, unpacked.

    ``allow_private``: whether it may come from private or loopback addresses; ``own``: never from these.
    """

    url: str
    max_bytes: int
    seconds: float
    allow_private: bool = False
    own: tuple[Service, ...] = ()

    @property
    def answer_bytes(self) -> int:
        """The most that the document can have when its text is written as UTF-8."""
        return 3 * self.max_bytes + 3

    def packed(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> "Order":
        fields = json.loads(data)
        return cls(**{**fields, "own": tuple(Service(**service) for service in fields["own"])})


@dataclass(frozen=True, slots=True)
class Fetched:
    """``url`` is where the bytes came from after redirects, as it may be told: without its query.

    ``filename`` is one part of a path, printable and short; ``media_type`` is a readable one.
    """

    data: bytes
    filename: str | None
    media_type: str
    url: str
