"""What was written to a collection since its shard was last flushed, on disk and in order.

A record is a message of :mod:`rag.vectors.edge.wire`: the list of upserted points, or a document's id with
the bounds of the versions that were deleted.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from pathlib import Path
from time import monotonic

from rag.errors import Unavailable, translated
from rag.model import Point
from rag.system.append_log import AppendLog
from rag.vectors.edge import wire
from rag.vectors.payload import Versions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deletion:
    """The points of these versions of a document were deleted."""

    document_id: str
    versions: Versions


Write = Sequence[Point] | Deletion


class WriteLog:
    """Writes in the file ``path``. Every method raises Unavailable when the disk does not do its part."""

    def __init__(self, path: Path) -> None:
        with _translated():
            self._log = AppendLog(path)
        self._since = monotonic()

    @property
    def size(self) -> int:
        """Bytes of all records."""
        return self._log.size

    @property
    def age(self) -> float:
        """Seconds since the oldest record was appended; 0 where there is none."""
        return monotonic() - self._since if self.size else 0.0

    def append(self, write: Write) -> int:
        """The number of the record, for :meth:`sync`."""
        if not self.size:
            self._since = monotonic()
        with _translated():
            return self._log.append(wire.packed(_fields(write)))

    def sync(self, number: int) -> bool:
        """Whether this record, and all before it, survive a power cut now. The disk may fail."""
        try:
            self._log.sync(number)
        except OSError as error:
            log.warning("the log of writes cannot be synced: %s", error)
            return False
        return True

    def writes(self) -> Iterator[Write]:
        """What earlier processes appended, in order."""
        with _translated():
            for record in self._log.records():
                yield _write_of(record)

    def clear(self) -> None:
        """Remove all records, whose writes are durable elsewhere now."""
        with _translated():
            self._log.clear()

    def close(self) -> None:
        with _translated():
            self._log.close()


def _fields(write: Write) -> list[object]:
    if isinstance(write, Deletion):
        return ["delete", write.document_id, *astuple(write.versions)]
    return ["upsert", *write]


def _write_of(record: bytes) -> Write:
    method, *rest = wire.unpacked(record)
    match method:
        case "upsert":
            points: list[Point] = rest
            return points
        case "delete":
            document_id, *bounds = rest
            return Deletion(document_id, Versions(*bounds))
    raise ValueError(f"{method} is no write of this version")


def _translated() -> AbstractContextManager[None]:
    return translated({OSError: Unavailable, ValueError: Unavailable}, "the log of writes")
