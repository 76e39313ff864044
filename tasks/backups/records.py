"""Job records, collections and keys as portions of a backup."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from rag.backups.contents import COLLECTIONS, JOBS, KEYS, Line, collection_line, cut, job_line, key_line
from rag.journal.entries import opening_of, over
from rag.model import ABOUT_BACKUPS, Job
from rag.ports import all_items
from tasks.backups.progress import Mark, Piece
from tasks.stages.run import StageRun

_PAGE = 200
_RECORD_BYTES = 1500
_ENTRY_BYTES = 300


@dataclass(frozen=True, slots=True)
class JobRecords:
    """The newest first: whole of jobs that are over, dead letters among them, else as they were accepted."""

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
        for job in self._jobs(after):
            fields = self.run.tools.restoration.jobs.record(job.id)
            if fields and over(fields):
                yield Line(job.id, job_line(fields))
            elif fields and job.kind not in ABOUT_BACKUPS:  # of which none is to begin by itself in a restore
                yield Line(job.id, job_line(opening_of(fields)))

    def _jobs(self, after: str | None) -> Iterator[Job]:
        return all_items(partial(self.run.tools.jobs.page, collections=None, limit=_PAGE), after)


@dataclass(frozen=True, slots=True)
class CollectionEntries:
    """What is known of every name that a collection has, or had."""

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
    """Every key that the service made, revoked ones too, so that those are known for what they are."""

    run: StageRun
    piece_bytes: int

    name = KEYS
    size = 0

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        keys = sorted(self.run.tools.restoration.journal.made_keys(), key=lambda key: key.id)
        lines = (Line(key.id, key_line(key)) for key in keys if key.id > mark.at)
        for data, last in cut(lines, self.piece_bytes):
            yield Piece(Mark(last), KEYS, data)
