"""The digests of what a restored store holds, gathered over all its points, in however many slices."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from rag.backups.digest import ContentDigest, digests
from rag.errors import NotFound
from rag.model import DocumentVersion, Point
from rag.ports import Window
from tasks.stages.run import StageRun

_NAME = "digests"
_KEY_BYTES, _POINTS_BYTES, _TOTAL_BYTES = 16, 4, 32


@dataclass(slots=True)
class Scroll:
    """The points of ``store`` up to the id ``after``: ``sums`` by version of each document."""

    store: str
    after: str | None = None
    complete: bool = False
    sums: dict[bytes, ContentDigest] = field(default_factory=dict)

    @classmethod
    def kept(cls, run: StageRun, store: str) -> "Scroll":
        """As far as the job has come; at the beginning when it kept none of this store."""
        try:
            head, _, table = run.load(_NAME).partition(b"\n")
        except NotFound:
            return cls(store)
        fields = json.loads(head)
        return cls(**fields, sums=dict(_sums(table))) if fields["store"] == store else cls(store)

    def keep(self, run: StageRun) -> None:
        """Together, so that no point is counted twice; in 52 bytes a document."""
        rows = (
            key + each.points.to_bytes(_POINTS_BYTES) + each.total.to_bytes(_TOTAL_BYTES)
            for key, each in self.sums.items()
        )
        head = {"store": self.store, "after": self.after, "complete": self.complete}
        run.save(_NAME, json.dumps(head).encode() + b"\n" + b"".join(rows))

    def add(self, window: Window[Point]) -> None:
        """The next points."""
        for version, digest in digests(window.items).items():
            key = _key(version)
            self.sums[key] = self.sums.get(key, ContentDigest()) + digest
        self.after, self.complete = window.next, window.next is None

    def digest_of(self, version: DocumentVersion) -> ContentDigest:
        return self.sums.get(_key(version), ContentDigest())


def _key(version: DocumentVersion) -> bytes:
    return blake2b(f"{version.version} {version.document_id}".encode(), digest_size=_KEY_BYTES).digest()


def _sums(table: bytes) -> Iterator[tuple[bytes, ContentDigest]]:
    row, points_end = _KEY_BYTES + _POINTS_BYTES + _TOTAL_BYTES, _KEY_BYTES + _POINTS_BYTES
    for start in range(0, len(table), row):
        each = table[start : start + row]
        points = int.from_bytes(each[_KEY_BYTES:points_end])
        yield each[:_KEY_BYTES], ContentDigest(points, int.from_bytes(each[points_end:]))
