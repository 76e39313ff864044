"""What was accepted for a collection after a backup, and what of it decides how a document is."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Self

from rag.errors import UnknownCollection
from rag.model import Job, JobKind, JobState
from rag.ports import all_items
from rag.stores.backups.opened import OpenBackup
from rag.stores.entries import made_at
from tasks.problems import reason_of
from tasks.restoring.candidates import Candidate
from tasks.run import StageRun
from tasks.saving.scope import CLOCKS_APART

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Survivors:
    """Ingestions and deletions by document."""

    of: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    @classmethod
    def found(cls, run: StageRun, backup: OpenBackup, candidate: Candidate, until: float) -> Self:
        """Those accepted up to ``until`` that were not to come into ``candidate``, or failed to."""
        since = backup.collection(candidate.saved).generation
        before = backup.manifest.began_at - CLOCKS_APART
        by_document: dict[str, list[Job]] = defaultdict(list)
        for job in _accepted(run, candidate.name):
            later = job.created_at <= until and not _ended(job, before)
            if later and job.inputs["generation"] >= since and _is_due(job, candidate):
                by_document[job.inputs["document_id"]].append(job)
        return cls(by_document)

    def jobs(self) -> Sequence[Job]:
        """All, about as they were accepted."""
        return sorted(chain.from_iterable(self.of.values()), key=_order)

    def overtaken(self, job: Job) -> bool:
        """Whether a later one has decided how the document is."""
        return any(had_effect(each) and _order(each) > _order(job) for each in self._about(job))

    def outdated(self, job: Job) -> bool:
        """Whether an ingestion is to be seen no more: the document was deleted since, or a later one brought
        what was seen before it."""
        version = job.inputs["version"]
        if self.deletion(job.inputs["document_id"], version, job.created_at):
            return True
        found = ((each.inputs["version"], each.result or {}) for each in self._about(job))
        return any(result.get("unchanged") and result["version"] < version < later for later, result in found)

    def deletion(self, document_id: str, version: int, accepted_at: float) -> Job | None:
        """The last one that has hidden a version, which may have been on its way still."""
        hiding = [
            each
            for each in self.of.get(document_id, ())
            if each.kind is JobKind.DELETE
            if each.inputs["version"] >= version or _deleted_at(each) > accepted_at
        ]
        return max(hiding, key=_deleted_at, default=None)

    def _about(self, job: Job) -> Sequence[Job]:
        return self.of.get(job.inputs["document_id"], ())


def had_effect(job: Job) -> bool:
    """Whether it changed what is seen; a deletion does from its acceptance on."""
    result = job.result or {}
    changed = not (result.get("unchanged") or result.get("superseded"))
    return job.kind is JobKind.DELETE or (job.state is JobState.SUCCEEDED and changed)


def lost_its_collection(job: Job) -> bool:
    """Whether it failed because its collection was replaced."""
    return job.state is JobState.FAILED and reason_of(job.error) == UnknownCollection.code


def _accepted(run: StageRun, collection: str) -> Iterator[Job]:
    """Everything about a document of the collection."""
    for kind in (JobKind.INGEST, JobKind.DELETE):
        page = partial(run.tools.jobs.page, kinds=[kind], collections=[collection], limit=_PAGE)
        yield from (job for job in all_items(page) if job.inputs["document_id"] is not None)


def _is_due(job: Job, candidate: Candidate) -> bool:
    """One that was moved may have failed just before, and is to be begun again."""
    return job.inputs["generation"] != candidate.generation or lost_its_collection(job)


def _ended(job: Job, before: float) -> bool:
    return job.state is not JobState.DEAD and job.finished_at is not None and job.finished_at <= before


def _order(job: Job) -> tuple[int, bool]:
    """As they were accepted; a deletion comes behind the version that it hides."""
    return job.inputs["version"], job.kind is JobKind.DELETE


def _deleted_at(deletion: Job) -> float:
    """Its job is made in that moment, but by the sweeper where whoever deleted has died."""
    return min(deletion.created_at, made_at(deletion.id) + CLOCKS_APART)
