"""What was accepted after a backup is done once more in the collection that was restored from it.

Everything keeps the version that it was given. So it comes to the same end in whatever order it is done,
and beside whatever is accepted meanwhile.

What was accepted for a collection after a backup, and what of it decides how a document is.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import chain
from typing import Self

from rag.backups.packs import OpenBackup
from rag.errors import Conflict, NotFound, UnknownCollection
from rag.journal.entries import made_at, opening_of, over
from rag.model import Document, DocumentVersion, Job, JobKind, JobState, Json
from rag.naming import chunks_key
from rag.ports import all_items
from tasks.backups.plan import PlannedCollection, Tally
from tasks.backups.restored_jobs import moved_inputs
from tasks.backups.scope import CLOCKS_APART
from tasks.documents.purge_jobs import assign_purge_job
from tasks.publishing.bells import ring_for
from tasks.stages.outcomes import reason_of
from tasks.stages.run import StageRun
from tasks.submit.requests import Idempotency
from tasks.submit.submissions import Submissions

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ChangesSinceBackup:
    """Ingestions and deletions by document."""

    of: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    @classmethod
    def find(cls, run: StageRun, backup: OpenBackup, planned: PlannedCollection, until: float) -> Self:
        """Those accepted up to ``until`` that were not to come into ``planned``, or failed to."""
        since = backup.collection(planned.saved).generation
        before = backup.manifest.began_at - CLOCKS_APART
        by_document: dict[str, list[Job]] = defaultdict(list)
        for job in _accepted(run, planned.name):
            later = job.created_at <= until and not _ended(job, before)
            if later and job.inputs["generation"] >= since and _is_due(job, planned):
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


def _is_due(job: Job, planned: PlannedCollection) -> bool:
    """One that was moved may have failed just before, and is to be begun again."""
    return job.inputs["generation"] != planned.generation or lost_its_collection(job)


def _ended(job: Job, before: float) -> bool:
    return job.state is not JobState.DEAD and job.finished_at is not None and job.finished_at <= before


def _order(job: Job) -> tuple[int, bool]:
    """As they were accepted; a deletion comes behind the version that it hides."""
    return job.inputs["version"], job.kind is JobKind.DELETE


def _deleted_at(deletion: Job) -> float:
    """Its job is made in that moment, but by the sweeper where whoever deleted has died."""
    return min(deletion.created_at, made_at(deletion.id) + CLOCKS_APART)


@dataclass(frozen=True, slots=True)
class Replay:
    """Into ``planned``, which serves: ``later``, and what ``backup`` has without points.

    The methods count in ``tally``, and raise Overloaded when too much is open: call again then.
    """

    run: StageRun
    backup: OpenBackup
    desk: Submissions
    planned: PlannedCollection
    later: ChangesSinceBackup
    tally: Tally

    def late_documents(self) -> None:
        """Bring in, from their saved sources, the documents whose points the backup does not have."""
        saved = self.backup.collection(self.planned.saved)
        for each in self.backup.documents(saved) if saved.late else ():
            if each.late:
                try:
                    self.tally.reingested += self._reingest(each.document)
                except NotFound:
                    self.tally.lost.append(f"document {each.document.document_id}: its bytes were not saved")

    def later_jobs(self) -> None:
        """Ingestions that survive, and deletions where they count too."""
        for job in self.later.jobs():
            try:
                self.tally.replayed += self._done_again(job)
            except NotFound:
                self.tally.lost.append(_lost(job))

    # --- documents

    def _reingest(self, document: Document) -> bool:
        """Nothing is done for one whose points were there, or that is to be deleted again."""
        tools, planned, key = self.run.tools, self.planned, self.planned.own(document.source_key)
        version = DocumentVersion(document.document_id, document.version)
        present = tools.documents.get(planned.name, document.document_id)
        if present is not None and present.source_key == key:
            return False
        is_last = present is None or present.version == version.version
        wanted = is_last and not self._is_deleted(document) and self._is_new(version)
        new = wanted and self._accepted(_inputs(document, planned), key, version, document.owner)
        text = planned.own(document.text_key)
        for spare in (key, text, chunks_key(text)):
            tools.blobs.delete(spare)
        return new

    def _accepted(self, inputs: Json, source: str | None, version: DocumentVersion, owner: str = "") -> bool:
        """Whether a job was made that brings the version, which is done once."""
        name = self.planned.name
        once = _once(self.run, f"{name}/{version.document_id}/{version.version}")
        return self.desk.bring(name, inputs, source, once, owner=owner).new

    def _is_new(self, version: DocumentVersion) -> bool:
        """Whether the version may be seen, and is not yet."""
        documents, planned = self.run.tools.documents, self.planned
        present = documents.get(planned.name, version.document_id)
        if present is not None and present.version == version.version:
            return False
        return not documents.superseded(planned.name, planned.generation, version)

    def _is_deleted(self, document: Document) -> bool:
        """Whether a deletion since is to be made again; one that is not is told."""
        deletion = self.later.deletion(document.document_id, document.version, document.created_at)
        if deletion is None or self._repeats(deletion):
            return deletion is not None
        if not self.later.overtaken(deletion):
            self.tally.undeleted.append(document.document_id)
        return False

    # --- jobs

    def _done_again(self, job: Job) -> bool:
        """Whether there was something to do. NotFound when the bytes are gone."""
        if job.kind is JobKind.DELETE:
            return not self.later.overtaken(job) and self._delete(job)
        if job.state is JobState.SUCCEEDED:
            return had_effect(job) and not self.later.overtaken(job) and self._brought(job)
        return _may_go_on(job) and not self.later.outdated(job) and self._move(job)

    def _delete(self, job: Job) -> bool:
        """Versions accepted since are above the deletion's own, and stay."""
        tools, name, document_id = self.run.tools, self.planned.name, job.inputs["document_id"]
        present = tools.documents.get(name, document_id)
        if present is None or present.version > job.inputs["version"]:
            return False
        if not self._repeats(job):
            self.tally.undeleted.append(document_id)
            return False
        removal = tools.documents.delete(name, document_id, up_to=job.inputs["version"])
        if removal is None:  # somebody else has done so in this moment
            return False
        accepted = assign_purge_job(tools.jobs, tools.documents, removal, owner=job.owner)
        if accepted.new:
            ring_for(accepted.job)
        return True

    def _repeats(self, deletion: Job) -> bool:
        """A restore undoes deletions, unless it is asked not to, or for a time. Those that it meets stay."""
        asked, restore = self.run.job.inputs, self.run.job
        return bool(asked["deletions"] or asked["at"] or deletion.created_at > restore.created_at)

    def _brought(self, job: Job) -> bool:
        version = DocumentVersion(job.inputs["document_id"], job.inputs["version"])
        if not self._is_new(version):
            return False
        fetched = self._fetched(job, version)
        if fetched is not None:
            inputs = _inputs(fetched, self.planned)
            return self._accepted(inputs, fetched.source_key, version, job.owner)
        inputs = {**job.inputs, "generation": self.planned.generation}
        return self._accepted(inputs, inputs.get("source_key"), version, job.owner)

    def _fetched(self, job: Job, version: DocumentVersion) -> Document | None:
        """The document that an address had then, while its bytes are there: it may have another by now."""
        if "url" not in job.inputs:
            return None
        tools, generation = self.run.tools, job.inputs["generation"]
        document = tools.restoration.journal.document(job.collection, generation, version)
        return document if document is not None and tools.blobs.exists(document.source_key) else None

    def _move(self, job: Job) -> bool:
        """The job goes on where it belongs to by now; a dead letter when it is replayed."""
        restoration = self.run.tools.restoration
        fields = restoration.jobs.record(job.id)
        if not fields:  # it is forgotten
            return False
        inputs = json.dumps(moved_inputs(job.inputs, self.planned), separators=(",", ":"))
        self._copy(job)
        if not over(fields):
            restoration.journal.open(opening_of({**fields, "inputs": inputs}))
        if not restoration.jobs.move(fields, inputs):
            self.tally.unsettled = True
            return False
        return self._send(job.id)

    def _copy(self, job: Job) -> None:
        """Its source lies with those of the planned. NotFound."""
        blobs, key = self.run.tools.blobs, job.inputs.get("source_key")
        if key is not None and self.planned.own(key) != key:
            blobs.put(self.planned.own(key), blobs.get(key))

    def _send(self, job_id: str) -> bool:
        """The job may have come to its end since it was listed."""
        tools, restoration = self.run.tools, self.run.tools.restoration
        job = tools.jobs.get(job_id)
        if job is None:
            return False
        if lost_its_collection(job):
            return self._retry(job_id)
        if job.state.final:
            restoration.journal.end(partial(restoration.jobs.record, job_id))
        else:
            ring_for(job)
        return True

    def _retry(self, job_id: str) -> bool:
        try:
            ring_for(self.run.tools.jobs.retry(job_id))
        except Conflict:  # the sweeper removes what it left, or somebody else was quicker
            self.tally.unsettled = True
            return False
        return True


def _inputs(document: Document, planned: PlannedCollection) -> Json:
    """Those of an ingestion that brings the document."""
    return {
        "document_id": document.document_id,
        "generation": planned.generation,
        "version": document.version,
        "title": document.given_title or None,
        "metadata": document.metadata,
        "accepted_at": document.created_at,
        "media_type": document.media_type,
        "filename": None if document.given_title else document.title,
    }


def _once(run: StageRun, what: str) -> Idempotency:
    return Idempotency(f"restore:{run.job.id}:{what}", sha256(what.encode()).hexdigest())


def _may_go_on(job: Job) -> bool:
    """Whether the job is open, a dead letter, or failed because its collection was replaced."""
    return lost_its_collection(job) or job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)


def _lost(job: Job) -> str:
    return f"document {job.inputs['document_id']}: the bytes of version {job.inputs['version']} are gone"
