"""How far a reindex is, as its job keeps it from slice to slice."""

import json
from dataclasses import asdict, dataclass, field

from rag.model import DocumentVersion
from rag.ports import JobStore
from tasks.run import StageRun
from tasks.sampling import Sample

_NAME = "cursor"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The documents up to the id ``after`` are in the layout, but for ``batch``, which is being written.

    ``done`` and ``missing``: documents, and chunks that the serving layout itself lacks.
    """

    layout: int
    after: str | None = None
    done: int = 0
    missing: int = 0
    complete: bool = False
    batch: tuple[DocumentVersion, ...] = ()
    sample: Sample = field(default_factory=Sample)


def keep(run: StageRun, cursor: Cursor) -> None:
    run.keep(_NAME, json.dumps(asdict(cursor), separators=(",", ":")).encode())


def kept(jobs: JobStore, job_id: str, layout: int) -> Cursor:
    """The job's, at the beginning of another layout than it kept one for. NotFound without any."""
    fields = json.loads(jobs.artefact(job_id, _NAME))
    batch = tuple(DocumentVersion(**version) for version in fields["batch"])
    cursor = Cursor(**{**fields, "batch": batch, "sample": Sample.of(fields["sample"])})
    return cursor if cursor.layout == layout else Cursor(layout)
