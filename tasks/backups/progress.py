"""The portions of a backup, and how many of them are done.

The job saves a checkpoint after each piece, so that it sends no more than one piece again.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from pydantic import TypeAdapter

from rag.backups.contents import lines
from rag.model import Json, StoredPart, Stream
from rag.ports import JobStore
from tasks.stages.run import StageRun


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a portion goes on. ``at``: in its own terms, "" at the beginning; ``note``: what it counted."""

    at: str = ""
    note: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """The next ``data`` of ``stream``; ``mark``: where the portion goes on once that is stored.

    ``carried``: streams of an earlier backup that this backup takes over.
    """

    mark: Mark
    stream: str = ""
    data: bytes = b""
    carried: tuple[Stream, ...] = ()


class Portion(Protocol):
    """Takes a few seconds for a piece at most. NotFound if the snapshot can no longer be used."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """An estimate of its bytes."""
        ...

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """The pieces from ``mark`` on. The note of the last piece is saved as that of the portion."""
        ...


_NAME = "checkpoint"
_ZLIB_LEVEL = 1  # rows are read once, and go with the job

PARTS_OPEN = 256
"""How many parts of a stream a checkpoint lists, so that a long stream makes no long checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """So many ``portions`` are done; the next one goes on at ``mark``.

    ``open``: the end of the stream that is being stored; what came before is in ``closed`` artefacts.
    ``notes``: by portion. ``done``: bytes of all portions, ``within`` of the present one; ``sent``: bytes
    that were not in the vault yet.
    """

    portions: int = 0
    mark: Mark = field(default_factory=Mark)
    open: Stream | None = None
    closed: int = 0
    notes: Mapping[str, Json] = field(default_factory=dict)
    done: int = 0
    within: int = 0
    sent: int = 0


_CHECKPOINT, _STREAMS = TypeAdapter(Checkpoint), TypeAdapter(tuple[Stream, ...])


def save_checkpoint(run: StageRun, checkpoint: Checkpoint) -> None:
    run.save(_NAME, _CHECKPOINT.dump_json(checkpoint))


def load_checkpoint(jobs: JobStore, job_id: str) -> Checkpoint:
    """NotFound if the job has saved none."""
    return _CHECKPOINT.validate_json(jobs.artefact(job_id, _NAME))


def streams(jobs: JobStore, job_id: str) -> Iterator[Stream]:
    """All streams that the job has stored. A long one comes as several of its name, in order.

    NotFound for a job that has not begun, or is over.
    """
    checkpoint = load_checkpoint(jobs, job_id)
    for number in range(checkpoint.closed):
        yield from _STREAMS.validate_json(jobs.artefact(job_id, _closed_name(number)))
    if checkpoint.open:
        yield checkpoint.open


def store(
    run: StageRun, checkpoint: Checkpoint, piece: Piece, parts: tuple[StoredPart, ...], *, sent: int
) -> Checkpoint:
    """Save that ``piece`` is stored in ``parts``."""
    if checkpoint.open and (piece.stream != checkpoint.open.name or len(checkpoint.open.parts) >= PARTS_OPEN):
        checkpoint = _closed(run, checkpoint)
    if piece.carried:
        checkpoint = _with_closed(run, checkpoint, piece.carried)
    if parts:
        before = checkpoint.open.parts if checkpoint.open else ()
        checkpoint = replace(checkpoint, open=Stream(piece.stream, before + parts))
    length = len(piece.data)
    checkpoint = replace(
        checkpoint,
        mark=piece.mark,
        done=checkpoint.done + length,
        within=checkpoint.within + length,
        sent=checkpoint.sent + sent,
    )
    save_checkpoint(run, checkpoint)
    return checkpoint


def finish(run: StageRun, checkpoint: Checkpoint, portion: Portion) -> Checkpoint:
    """Save that the portion is done."""
    checkpoint = _closed(run, checkpoint)
    checkpoint = replace(
        checkpoint,
        portions=checkpoint.portions + 1,
        mark=Mark(),
        notes={**checkpoint.notes, portion.name: checkpoint.mark.note},
        within=0,
    )
    save_checkpoint(run, checkpoint)
    return checkpoint


def _closed(run: StageRun, checkpoint: Checkpoint) -> Checkpoint:
    if checkpoint.open is None:
        return checkpoint
    return replace(_with_closed(run, checkpoint, (checkpoint.open,)), open=None)


def _with_closed(run: StageRun, checkpoint: Checkpoint, streams: tuple[Stream, ...]) -> Checkpoint:
    """Each artefact is written once, however long the backup is."""
    run.save(_closed_name(checkpoint.closed), _STREAMS.dump_json(streams))
    return replace(checkpoint, closed=checkpoint.closed + 1)


def _closed_name(number: int) -> str:
    return f"streams-{number:06}"


def save_rows(run: StageRun, name: str, rows: Iterable[bytes]) -> None:
    """Save rows, each with its line end, for a later portion. They are an artefact of the job."""
    run.save(name, zlib.compress(b"".join(rows), _ZLIB_LEVEL))


def load_rows(run: StageRun, name: str) -> Iterator[bytes]:
    """The rows without their line ends. NotFound when they are gone."""
    return lines([zlib.decompress(run.load(name))])
