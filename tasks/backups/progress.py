"""How far a backup is, as its job keeps it: after each piece, so that no more than one is sent again.

The portions of a backup: what is saved one after the other, each in pieces.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from rag.backups.manifest import stream_of
from rag.model import Json, StoredPart, Stream
from rag.ports import JobStore
from tasks.stages.run import StageRun


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a portion goes on: ``at`` a place of its own, "" at the beginning; ``note``: what it counted."""

    at: str = ""
    note: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """``data`` is the next of ``stream``; ``mark`` is where the portion goes on once that is stored.

    ``carried``: streams of an earlier backup that are this one's too.
    """

    mark: Mark
    stream: str = ""
    data: bytes = b""
    carried: tuple[Stream, ...] = ()


class Portion(Protocol):
    """Works a few seconds at a piece at most. NotFound where the snapshot is not to be used any more."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes, as far as they can be told before."""
        ...

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """From ``mark`` on; none are left behind the last. Its note is kept as that of the portion."""
        ...


_NAME = "savepoint"

PARTS_OPEN = 256
"""Of a long stream: what is kept after each piece, so that it costs no more the further it gets."""


@dataclass(frozen=True, slots=True)
class Savepoint:
    """``portions`` are done, and the next one is at ``mark``.

    ``open``: the end of the stream that is being stored; what came before is in ``closed`` artefacts.
    ``notes``: by portion. ``done``: bytes of all portions, ``within`` of the present one; ``sent``: those
    that were not there yet.
    """

    portions: int = 0
    mark: Mark = field(default_factory=Mark)
    open: Stream | None = None
    closed: int = 0
    notes: Mapping[str, Json] = field(default_factory=dict)
    done: int = 0
    within: int = 0
    sent: int = 0


def keep(run: StageRun, savepoint: Savepoint) -> None:
    run.save(_NAME, json.dumps(asdict(savepoint), separators=(",", ":")).encode())


def kept(jobs: JobStore, job_id: str) -> Savepoint:
    """NotFound without any."""
    fields = json.loads(jobs.artefact(job_id, _NAME))
    stream = None if fields["open"] is None else stream_of(fields["open"])
    return Savepoint(**{**fields, "mark": Mark(**fields["mark"]), "open": stream})


def streams(jobs: JobStore, job_id: str) -> Iterator[Stream]:
    """All that was stored under the job; a long one in several of its name, in order.

    NotFound for a job that has not begun, or is over.
    """
    savepoint = kept(jobs, job_id)
    for number in range(savepoint.closed):
        yield from map(stream_of, json.loads(jobs.artefact(job_id, _closed_name(number))))
    if savepoint.open:
        yield savepoint.open


def store(
    run: StageRun, savepoint: Savepoint, piece: Piece, parts: tuple[StoredPart, ...], *, sent: int
) -> Savepoint:
    """Keep that ``piece`` lies in ``parts``."""
    if savepoint.open and (piece.stream != savepoint.open.name or len(savepoint.open.parts) >= PARTS_OPEN):
        savepoint = _closed(run, savepoint)
    if piece.carried:
        savepoint = _with_closed(run, savepoint, piece.carried)
    if parts:
        before = savepoint.open.parts if savepoint.open else ()
        savepoint = replace(savepoint, open=Stream(piece.stream, before + parts))
    length = len(piece.data)
    savepoint = replace(
        savepoint,
        mark=piece.mark,
        done=savepoint.done + length,
        within=savepoint.within + length,
        sent=savepoint.sent + sent,
    )
    keep(run, savepoint)
    return savepoint


def finish(run: StageRun, savepoint: Savepoint, portion: Portion) -> Savepoint:
    """Keep that the portion is done."""
    savepoint = _closed(run, savepoint)
    savepoint = replace(
        savepoint,
        portions=savepoint.portions + 1,
        mark=Mark(),
        notes={**savepoint.notes, portion.name: savepoint.mark.note},
        within=0,
    )
    keep(run, savepoint)
    return savepoint


def _closed(run: StageRun, savepoint: Savepoint) -> Savepoint:
    if savepoint.open is None:
        return savepoint
    return replace(_with_closed(run, savepoint, (savepoint.open,)), open=None)


def _with_closed(run: StageRun, savepoint: Savepoint, streams: tuple[Stream, ...]) -> Savepoint:
    """Each artefact is written once, however long the backup is."""
    data = json.dumps([asdict(stream) for stream in streams], separators=(",", ":"))
    run.save(_closed_name(savepoint.closed), data.encode())
    return replace(savepoint, closed=savepoint.closed + 1)


def _closed_name(number: int) -> str:
    return f"streams-{number:06}"
