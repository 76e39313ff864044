"""Replays what was accepted after a backup, in the collection that was restored from it.

Every document version keeps its number. So the result depends neither on the order in which jobs are
replayed, nor on what is accepted meanwhile.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import chain
from math import inf
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
    """The ingestions and deletions to replay, by document."""

    of: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    @classmethod
    def find(cls, run: StageRun, backup: OpenBackup, planned: PlannedCollection, until: float) -> Self:
        """Jobs accepted up to ``until`` for an earlier generation than ``planned``, or lost with one."""
        since = backup.collection(planned.saved).generation
        before = backup.manifest.began_at - CLOCKS_APART
        by_document: dict[str, list[Job]] = defaultdict(list)
        for kind in (JobKind.INGEST, JobKind.DELETE):
            page = partial(run.tools.jobs.page, kinds=[kind], collections=[planned.name], limit=_PAGE)
            for job in all_items(page):
                document_id = job.inputs["document_id"]
                ended = job.state is not JobState.DEAD and (job.finished_at or inf) <= before
                if document_id is None or job.created_at > until or ended:
                    continue
                generation = job.inputs["generation"]
                # A job that was moved already may have failed just before, and is to be begun again.
                moved = generation == planned.generation and not lost_its_collection(job)
                if generation >= since and not moved:
                    by_document[document_id].append(job)
        return cls(by_document)

    def jobs(self) -> Sequence[Job]:
        """All of them, about in the order in which they were accepted."""
        return sorted(chain.from_iterable(self.of.values()), key=_order)

    def overtaken(self, job: Job) -> bool:
        """Whether a later job has decided the document's state."""
        return any(had_effect(each) and _order(each) > _order(job) for each in self._about(job))

    def outdated(self, job: Job) -> bool:
        """Whether an ingestion must not be seen: the document was deleted since, or a later ingestion brought
        back the version before it."""
        version = job.inputs["version"]
        if self.deletion(job.inputs["document_id"], version, job.created_at):
            return True
        found = ((each.inputs["version"], each.result or {}) for each in self._about(job))
        return any(result.get("unchanged") and result["version"] < version < later for later, result in found)

    def deletion(self, document_id: str, version: int, accepted_at: float) -> Job | None:
        """The last deletion that has hidden a version, even one that was still being ingested."""
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
    """Whether the job changed what searches see; a deletion does so from its acceptance on."""
    result = job.result or {}
    changed = not (result.get("unchanged") or result.get("superseded"))
    return job.kind is JobKind.DELETE or (job.state is JobState.SUCCEEDED and changed)


def lost_its_collection(job: Job) -> bool:
    """Whether it failed because its collection was replaced."""
    return job.state is JobState.FAILED and reason_of(job.error) == UnknownCollection.code


def _order(job: Job) -> tuple[int, bool]:
    """The order of acceptance; a deletion comes after the version that it hides."""
    return job.inputs["version"], job.kind is JobKind.DELETE


def _deleted_at(deletion: Job) -> float:
    """When its job was made; if the process that deleted has died, the sweeper has made the job later."""
    return min(deletion.created_at, made_at(deletion.id) + CLOCKS_APART)


@dataclass(frozen=True, slots=True)
class Replay:
    """Replays into ``planned``, which serves, the ``later`` jobs, and the documents saved without points.

    The methods count in ``tally``. They raise Overloaded when too many jobs are open: call again later.
    """

    run: StageRun
    backup: OpenBackup
    submissions: Submissions
    planned: PlannedCollection
    later: ChangesSinceBackup
    tally: Tally

    def late_documents(self) -> None:
        """Ingest, from their saved sources, the documents whose points the backup does not have."""
        saved = self.backup.collection(self.planned.saved)
        for each in self.backup.documents(saved) if saved.late else ():
            if each.late:
                try:
                    self.tally.reingested += self._reingest(each.document)
                except NotFound:
                    self.tally.lost.append(f"document {each.document.document_id}: its bytes were not saved")

    def later_jobs(self) -> None:
        """Replay ingestions whose versions are to be seen, and deletions that count too."""
        for job in self.later.jobs():
            try:
                self.tally.replayed += self._replay(job)
            except NotFound:
                document_id, version = job.inputs["document_id"], job.inputs["version"]
                self.tally.lost.append(f"document {document_id}: the bytes of version {version} are gone")

    # --- documents

    def _reingest(self, document: Document) -> bool:
        """Whether a job was made; none is for a document that has its points, or is to be deleted again."""
        tools, planned, key = self.run.tools, self.planned, self.planned.own(document.source_key)
        version = DocumentVersion(document.document_id, document.version)
        present = tools.documents.get(planned.name, document.document_id)
        if present is not None and present.source_key == key:
            return False
        is_last = present is None or present.version == version.version
        wanted = is_last and not self._is_deleted(document) and self._is_new(version)
        new = wanted and self._submit(_inputs(document, planned), key, version, document.owner)
        text = planned.own(document.text_key)
        for spare in (key, text, chunks_key(text)):
            tools.blobs.delete(spare)
        return new

    def _submit(self, inputs: Json, source: str | None, version: DocumentVersion, owner: str = "") -> bool:
        """Submit a job that ingests the version; False if an earlier attempt has done so."""
        name = self.planned.name
        what = f"{name}/{version.document_id}/{version.version}"
        once = Idempotency(f"restore:{self.run.job.id}:{what}", sha256(what.encode()).hexdigest())
        return self.submissions.bring(name, inputs, source, once, owner=owner).new

    def _is_new(self, version: DocumentVersion) -> bool:
        """Whether the version may be seen, and is not yet."""
        documents, planned = self.run.tools.documents, self.planned
        present = documents.get(planned.name, version.document_id)
        if present is not None and present.version == version.version:
            return False
        return not documents.superseded(planned.name, planned.generation, version)

    def _is_deleted(self, document: Document) -> bool:
        """Whether a later deletion is to be repeated. The tally lists a document whose deletion is not."""
        deletion = self.later.deletion(document.document_id, document.version, document.created_at)
        if deletion is None or self._repeats(deletion):
            return deletion is not None
        if not self.later.overtaken(deletion):
            self.tally.undeleted.append(document.document_id)
        return False

    # --- jobs

    def _replay(self, job: Job) -> bool:
        """Whether there was something to do. NotFound when the bytes are gone."""
        if job.kind is JobKind.DELETE:
            return not self.later.overtaken(job) and self._delete(job)
        if job.state is JobState.SUCCEEDED:
            return had_effect(job) and not self.later.overtaken(job) and self._ingest_again(job)
        may_go_on = job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DEAD) or lost_its_collection(
            job
        )
        return may_go_on and not self.later.outdated(job) and self._move(job)

    def _delete(self, job: Job) -> bool:
        """Whether the document was deleted. A version that was accepted after the deletion stays."""
        tools, name, document_id = self.run.tools, self.planned.name, job.inputs["document_id"]
        present = tools.documents.get(name, document_id)
        if present is None or present.version > job.inputs["version"]:
            return False
        if not self._repeats(job):
            self.tally.undeleted.append(document_id)
            return False
        removal = tools.documents.delete(name, document_id, up_to=job.inputs["version"])
        if removal is None:  # another process has done so in this moment
            return False
        accepted = assign_purge_job(tools.jobs, tools.documents, removal, owner=job.owner)
        if accepted.new:
            ring_for(accepted.job)
        return True

    def _repeats(self, deletion: Job) -> bool:
        """A restore undoes deletions, unless it asks for them or a time; it never undoes later deletions."""
        asked, restore = self.run.job.inputs, self.run.job
        return bool(asked["deletions"] or asked["at"] or deletion.created_at > restore.created_at)

    def _ingest_again(self, job: Job) -> bool:
        """Whether a job was made that brings the version of one that has succeeded."""
        version = DocumentVersion(job.inputs["document_id"], job.inputs["version"])
        if not self._is_new(version):
            return False
        tools, generation = self.run.tools, job.inputs["generation"]
        if "url" in job.inputs:
            # The bytes of then, if they are there: the address may give others by now.
            document = tools.restoration.journal.document(job.collection, generation, version)
            if document is not None and tools.blobs.exists(document.source_key):
                return self._submit(_inputs(document, self.planned), document.source_key, version, job.owner)
        inputs = {**job.inputs, "generation": self.planned.generation}
        return self._submit(inputs, inputs.get("source_key"), version, job.owner)

    def _move(self, job: Job) -> bool:
        """Let the job go on in the planned collection, a dead letter too. NotFound without its source."""
        restoration, blobs = self.run.tools.restoration, self.run.tools.blobs
        fields = restoration.jobs.record(job.id)
        if not fields:  # it is forgotten
            return False
        inputs = json.dumps(moved_inputs(job.inputs, self.planned), separators=(",", ":"))
        key = job.inputs.get("source_key")
        if key is not None and self.planned.own(key) != key:
            blobs.put(self.planned.own(key), blobs.get(key))
        if not over(fields):
            restoration.journal.open(opening_of({**fields, "inputs": inputs}))
        if not restoration.jobs.move(fields, inputs):
            self.tally.unsettled = True
            return False
        return self._start(job.id)

    def _start(self, job_id: str) -> bool:
        """Ring for a moved job, unless it has ended since it was listed."""
        tools, restoration = self.run.tools, self.run.tools.restoration
        job = tools.jobs.get(job_id)
        if job is None:
            return False
        if job.state.final and not lost_its_collection(job):
            restoration.journal.end(partial(restoration.jobs.record, job_id))
            return True
        try:
            ring_for(tools.jobs.retry(job_id) if lost_its_collection(job) else job)
        except Conflict:  # the sweeper removes its leftovers, or another process has retried it
            self.tally.unsettled = True
            return False
        return True


def _inputs(document: Document, planned: PlannedCollection) -> Json:
    """The inputs of an ingestion that brings the document."""
    return {
        "document_id": document.document_id,
        "generation": planned.generation,
        "version": document.version,
        "title": document.given_title or None,
        "metadata": document.metadata,
        "accepted_at": document.created_at,
        "media_type": document.media_type,
        "filename": None if document.given_title else document.title,
        **({"parent": document.parent} if document.parent else {}),
    }
