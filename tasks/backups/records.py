"""Job records, collections and keys as portions of a backup."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from rag.backups.contents import COLLECTIONS, JOBS, KEYS, Line, collection_line, cut, job_line, key_line
from rag.journal.entries import opening_of, over
from rag.model import ABOUT_BACKUPS
from rag.ports import all_items
from tasks.backups.progress import Mark, Piece
from tasks.stages.run import StageRun

_PAGE = 200
_RECORD_BYTES = 1500
_ENTRY_BYTES = 300


@dataclass(frozen=True, slots=True)
class JobRecords:
    """Job records, the newest first. A job that is not over is saved as it was accepted."""

    run: StageRun
    count: int
    piece_bytes: int

    name = JOBS

    @property
    def size(self) -> int:
        return self.count * _RECORD_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        for data, last in cut(self._lines(mark.at or None), self.piece_bytes):
            yield Piece(Mark(last), JOBS, data)

    def _lines(self, after: str | None) -> Iterator[Line]:
        tools = self.run.tools
        for job in all_items(partial(tools.jobs.page, collections=None, limit=_PAGE), after):
            fields = tools.restoration.jobs.record(job.id)
            if fields and over(fields):  # a dead letter among them
                yield Line(job.id, job_line(fields))
            elif fields and job.kind not in ABOUT_BACKUPS:  # no restore is to begin one of those by itself
                yield Line(job.id, job_line(opening_of(fields)))


@dataclass(frozen=True, slots=True)
class CollectionEntries:
    """The journal's entry of every collection, those included that were dropped."""

    run: StageRun
    count: int
    piece_bytes: int

    name = COLLECTIONS

    @property
    def size(self) -> int:
        return self.count * _ENTRY_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        entries = sorted(self.run.tools.restoration.journal.collections(), key=lambda entry: entry.name)
        lines = (Line(entry.name, collection_line(entry)) for entry in entries if entry.name > mark.at)
        for data, last in cut(lines, self.piece_bytes):
            yield Piece(Mark(last), COLLECTIONS, data)


@dataclass(frozen=True, slots=True)
class KeyEntries:
    """Every key that the service made; revoked ones too, so that a restore knows them as revoked."""

    run: StageRun
    piece_bytes: int

    name = KEYS
    size = 0

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        keys = sorted(self.run.tools.restoration.journal.made_keys(), key=lambda key: key.id)
        lines = (Line(key.id, key_line(key)) for key in keys if key.id > mark.at)
        for data, last in cut(lines, self.piece_bytes):
            yield Piece(Mark(last), KEYS, data)
