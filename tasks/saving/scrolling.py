"""The digests of what a collection holds, gathered over all of its points, however many slices that takes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import blake2b

from rag.digest import ContentDigest, digests
from rag.errors import NotFound, UnknownCollection
from rag.model import Collection, DocumentVersion, Json, Point
from rag.ports import Window
from tasks.run import StageRun
from tasks.sampling import Sample
from tasks.saving.portions import Mark, Piece
from tasks.saving.scope import current

_NAME = "digests"
_PAGE = 256
_KEY_BYTES, _POINTS_BYTES, _TOTAL_BYTES = 16, 4, 32


@dataclass(slots=True)
class Scroll:
    """The points of ``store`` up to the id ``after``: ``sums`` by version of each document.

    ``sample``: of its passages; ``token_dimension``: of its points, None where they have no token vectors.
    """

    store: str
    after: str | None = None
    complete: bool = False
    token_dimension: int | None = None
    sample: Sample = field(default_factory=Sample)
    sums: dict[bytes, ContentDigest] = field(default_factory=dict)

    @classmethod
    def kept(cls, run: StageRun, store: str) -> "Scroll":
        """As far as the job has come; at the beginning when it kept none of this store."""
        try:
            head, _, table = run.load(_NAME).partition(b"\n")
        except NotFound:
            return cls(store)
        fields = json.loads(head)
        if fields["store"] != store:
            return cls(store)
        return cls(**{**fields, "sample": Sample.of(fields["sample"])}, sums=dict(_sums(table)))

    def keep(self, run: StageRun) -> None:
        """Together, so that no point is counted twice; in 52 bytes a document."""
        rows = (
            key + each.points.to_bytes(_POINTS_BYTES) + each.total.to_bytes(_TOTAL_BYTES)
            for key, each in self.sums.items()
        )
        run.save(_NAME, json.dumps(self._head()).encode() + b"\n" + b"".join(rows))

    def add(self, window: Window[Point]) -> None:
        """The next points."""
        for version, digest in digests(window.items).items():
            key = _key(version)
            self.sums[key] = self.sums.get(key, ContentDigest()) + digest
        self.sample = self.sample.with_passages(point.passage for point in window.items)
        if window.items and window.items[0].tokens is not None:
            self.token_dimension = window.items[0].tokens.shape[1]
        self.after, self.complete = window.next, window.next is None

    def digest_of(self, version: DocumentVersion) -> ContentDigest:
        return self.sums.get(_key(version), ContentDigest())

    def _head(self) -> Json:
        return {
            "store": self.store,
            "after": self.after,
            "complete": self.complete,
            "token_dimension": self.token_dimension,
            "sample": asdict(self.sample),
        }


@dataclass(frozen=True, slots=True)
class PointDigests:
    """Leaves the scroll of all points for what follows. ``pausing``: whether the slice is over."""

    run: StageRun
    collection: Collection
    pausing: Callable[[], bool]

    size = 0

    @property
    def name(self) -> str:
        return f"digests/{self.collection.store}"

    def pieces(self, _: Mark) -> Iterator[Piece]:
        scroll = Scroll.kept(self.run, self.collection.store)
        while not scroll.complete:
            scroll.add(self._next(scroll))
            if scroll.complete or self.pausing():
                scroll.keep(self.run)
                yield Piece(Mark(scroll.after or ""))

    def _next(self, scroll: Scroll) -> Window[Point]:
        """Nothing of a collection that was dropped meanwhile."""
        try:
            return self.run.tools.vectors.scroll(scroll.store, after=scroll.after, limit=_PAGE)
        except UnknownCollection:
            if current(self.run.tools, self.collection):
                raise
            return Window(items=(), next=None)


def forget(run: StageRun) -> None:
    """Let the next scroll begin at the first point of its store."""
    Scroll("").keep(run)


def _key(version: DocumentVersion) -> bytes:
    return blake2b(f"{version.version} {version.document_id}".encode(), digest_size=_KEY_BYTES).digest()


def _sums(table: bytes) -> Iterator[tuple[bytes, ContentDigest]]:
    row, points_end = _KEY_BYTES + _POINTS_BYTES + _TOTAL_BYTES, _KEY_BYTES + _POINTS_BYTES
    for start in range(0, len(table), row):
        each = table[start : start + row]
        points = int.from_bytes(each[_KEY_BYTES:points_end])
        yield each[:_KEY_BYTES], ContentDigest(points, int.from_bytes(each[points_end:]))
