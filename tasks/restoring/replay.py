"""What was accepted after a backup is done once more in the collection that was restored from it.

Everything keeps the version that it was given. So it comes to the same end in whatever order it is done,
and beside whatever is accepted meanwhile.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from rag.errors import NotFound, UnknownCollection
from rag.model import Document, DocumentVersion, Job, JobKind, JobState, Json
from rag.stores.backups.opened import OpenBackup
from rag.stores.entries import JobFields, opening_of, over
from tasks.intake import Idempotency
from tasks.messages import send
from tasks.problems import reason_of
from tasks.restoring.candidates import Candidate, Tally
from tasks.restoring.saved_jobs import moved_inputs
from tasks.run import StageRun
from tasks.saving.scope import CLOCKS_APART
from tasks.submit import Submissions

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Replay:
    """Into ``candidate``, which serves: what was accepted up to ``until``, and is not in ``backup``.

    The methods count in ``tally``, and raise Overloaded when too much is open: call again then.
    """

    run: StageRun
    backup: OpenBackup
    desk: Submissions
    candidate: Candidate
    until: float
    tally: Tally

    def late_documents(self) -> None:
        """Bring in, from their saved sources, the documents whose points the backup does not have."""
        name, saved = self.candidate.name, self.backup.collection(self.candidate.saved)
        for each in self.backup.documents(saved) if saved.late else ():
            if each.late and self.run.tools.documents.get(name, each.document.document_id) is None:
                try:
                    self.tally.reingested += self._reingested(each.document)
                except NotFound:
                    self.tally.lost.append(f"document {each.document.document_id}: its bytes were not saved")

    def later_jobs(self) -> None:
        """Ingestions that survive, and deletions where they count too."""
        jobs = sorted(self._survivors(), key=_order)
        last = {job.inputs["document_id"]: job for job in jobs if _had_effect(job)}
        for job in jobs:
            try:
                self.tally.replayed += self._done_again(job, last.get(job.inputs["document_id"]))
            except NotFound:
                self.tally.lost.append(_lost(job))

    def _reingested(self, document: Document) -> bool:
        run, candidate = self.run, self.candidate
        version = DocumentVersion(document.document_id, document.version)
        if run.tools.documents.outdated(candidate.name, candidate.generation, version):
            return False
        once = _once(run, f"{candidate.name}/{document.document_id}/{document.version}")
        key = candidate.own(document.source_key)
        accepted = self.desk.bring(candidate.name, _inputs(document, candidate), key, once)
        for spare in (key, candidate.own(document.text_key)):
            run.tools.blobs.delete(spare)
        return accepted.new

    def _survivors(self) -> Iterator[Job]:
        """Ingestions and deletions of documents that belong to a generation which does not serve any more."""
        for kind in (JobKind.INGEST, JobKind.DELETE):
            cursor = None
            while True:
                window = self.run.tools.jobs.page(
                    state=None, kind=kind, collections=[self.candidate.name], cursor=cursor, limit=_PAGE
                )
                yield from filter(self._is_due, window.items)
                cursor = window.next
                if cursor is None:
                    break

    def _is_due(self, job: Job) -> bool:
        saved, inputs = self.backup.collection(self.candidate.saved), job.inputs
        if inputs["document_id"] is None or not saved.generation <= inputs["generation"]:
            return False
        if inputs["generation"] == self.candidate.generation or job.created_at > self.until:
            return False
        before = self.backup.manifest.began_at - CLOCKS_APART
        return job.state is JobState.DEAD or job.finished_at is None or job.finished_at > before

    def _done_again(self, job: Job, last: Job | None) -> bool:
        """Whether there was something to do. NotFound when the bytes are gone.

        ``last``: what decided in the end how the document is.
        """
        later = last is not None and _order(last) > _order(job)
        if job.kind is JobKind.DELETE:
            return not later and self._deleted(job)
        if job.state is JobState.SUCCEEDED:
            return not later and _had_effect(job) and self._brought(job)
        hidden = later and last is not None and last.kind is JobKind.DELETE
        return not hidden and _may_go_on(job) and self._moved(job)

    def _deleted(self, job: Job) -> bool:
        name, document_id = self.candidate.name, job.inputs["document_id"]
        present = self.run.tools.documents.get(name, document_id)
        if present is None or present.version > job.inputs["version"]:
            return False
        if not self._repeats(job):
            self.tally.undeleted.append(document_id)
            return False
        with suppress(NotFound):  # somebody else has done so in this moment
            self.desk.delete_document(name, document_id)
        return True

    def _repeats(self, deletion: Job) -> bool:
        """A restore undoes deletions, unless it is asked not to, or for a time. Those that it meets stay."""
        asked, restore = self.run.job.inputs, self.run.job
        return bool(asked["deletions"] or asked["at"] or deletion.created_at > restore.created_at)

    def _brought(self, job: Job) -> bool:
        inputs, documents = job.inputs, self.run.tools.documents
        version = DocumentVersion(inputs["document_id"], inputs["version"])
        present = documents.get(self.candidate.name, version.document_id)
        if present is not None and present.version == version.version:
            return False
        if documents.outdated(self.candidate.name, self.candidate.generation, version):
            return False
        accepted = self.desk.bring(
            self.candidate.name,
            {**inputs, "generation": self.candidate.generation},
            inputs.get("source_key"),
            _once(self.run, job.id),
        )
        return accepted.new

    def _moved(self, job: Job) -> bool:
        """The job goes on where it belongs to by now; a dead letter when it is replayed."""
        tools, restoration = self.run.tools, self.run.tools.restoration
        fields = restoration.jobs.record(job.id)
        inputs = json.dumps(moved_inputs(job.inputs, self.candidate), separators=(",", ":"))
        if "source_key" in job.inputs:
            key = job.inputs["source_key"]
            tools.blobs.put(self.candidate.own(key), tools.blobs.get(key))
        if not over(fields):
            restoration.journal.open(opening_of({**fields, "inputs": inputs}))
        if not restoration.jobs.move(fields, inputs):
            return False
        self._sent(job, fields)
        return True

    def _sent(self, job: Job, fields: JobFields) -> None:
        tools, restoration = self.run.tools, self.run.tools.restoration
        if job.state is JobState.FAILED:
            send(tools.jobs.retry(job.id))
        elif over(fields):
            restoration.journal.end(partial(restoration.jobs.record, job.id))
        elif (moved := tools.jobs.get(job.id)) is not None:
            send(moved)


def _inputs(document: Document, candidate: Candidate) -> Json:
    """Those of an ingestion that brings the document."""
    return {
        "document_id": document.document_id,
        "generation": candidate.generation,
        "version": document.version,
        "title": document.given_title or None,
        "metadata": document.metadata,
        "accepted_at": document.created_at,
        "media_type": document.media_type,
        "filename": None if document.given_title else document.title,
    }


def _once(run: StageRun, what: str) -> Idempotency:
    return Idempotency(f"restore:{run.job.id}:{what}", sha256(what.encode()).hexdigest())


def _order(job: Job) -> tuple[int, bool]:
    """As they were accepted; a deletion comes behind the version that it hides."""
    return job.inputs["version"], job.kind is JobKind.DELETE


def _had_effect(job: Job) -> bool:
    """Whether it changed what is seen; a deletion does from its acceptance on."""
    result = job.result or {}
    changed = not (result.get("unchanged") or result.get("superseded"))
    return job.kind is JobKind.DELETE or (job.state is JobState.SUCCEEDED and changed)


def _may_go_on(job: Job) -> bool:
    """Whether the job is open, a dead letter, or failed because its collection was replaced."""
    if job.state is JobState.FAILED:
        return reason_of(job.error) == UnknownCollection.code
    return job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)


def _lost(job: Job) -> str:
    return f"document {job.inputs['document_id']}: the bytes of version {job.inputs['version']} are gone"
