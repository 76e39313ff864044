"""The portions of a backup, and how many of them are done.

The job saves a checkpoint after each piece, so that it sends no more than one piece again.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from rag.backups.contents import lines
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


_NAME = "checkpoint"
_ZLIB_LEVEL = 1  # rows are read once, and go with the job

PARTS_OPEN = 256
"""Of a long stream: what is kept after each piece, so that it costs no more the further it gets."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
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


def save_checkpoint(run: StageRun, checkpoint: Checkpoint) -> None:
    run.save(_NAME, json.dumps(asdict(checkpoint), separators=(",", ":")).encode())


def load_checkpoint(jobs: JobStore, job_id: str) -> Checkpoint:
    """NotFound without any."""
    fields = json.loads(jobs.artefact(job_id, _NAME))
    stream = None if fields["open"] is None else stream_of(fields["open"])
    return Checkpoint(**{**fields, "mark": Mark(**fields["mark"]), "open": stream})


def streams(jobs: JobStore, job_id: str) -> Iterator[Stream]:
    """All that was stored under the job; a long one in several of its name, in order.

    NotFound for a job that has not begun, or is over.
    """
    checkpoint = load_checkpoint(jobs, job_id)
    for number in range(checkpoint.closed):
        yield from map(stream_of, json.loads(jobs.artefact(job_id, _closed_name(number))))
    if checkpoint.open:
        yield checkpoint.open


def store(
    run: StageRun, checkpoint: Checkpoint, piece: Piece, parts: tuple[StoredPart, ...], *, sent: int
) -> Checkpoint:
    """Keep that ``piece`` lies in ``parts``."""
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
    """Keep that the portion is done."""
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
    data = json.dumps([asdict(stream) for stream in streams], separators=(",", ":"))
    run.save(_closed_name(checkpoint.closed), data.encode())
    return replace(checkpoint, closed=checkpoint.closed + 1)


def _closed_name(number: int) -> str:
    return f"streams-{number:06}"


def save_rows(run: StageRun, name: str, rows: Iterable[bytes]) -> None:
    """Save rows, each with its line end, for a later portion. They are an artefact of the job."""
    run.save(name, zlib.compress(b"".join(rows), _ZLIB_LEVEL))


def load_rows(run: StageRun, name: str) -> Iterator[bytes]:
    """The rows without their line ends. NotFound when they are gone."""
    return lines([zlib.decompress(run.load(name))])
