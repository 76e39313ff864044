"""All that the API calls: accept a job, record it, publish it.

The order survives a crash between any two steps. The bytes are stored first, so that
no record ever names bytes that are not there. The record is written next, in one step
together with its Idempotency-Key; from then on the job is promised. Publishing comes
last; when it fails, a canary finds the job by its record. A deletion hides the document in the
step that notes what to purge; when no job is made of that note, the sweeper makes it.
"""

from collections.abc import Callable, Mapping
from time import time

from rag.backups.vault import Vault
from rag.errors import NotFound, UnknownCollection
from rag.model import Job, JobKind, Json, NewJob, Removal, Stage
from rag.naming import document_id_of, generation_name, new_id, second_document_id
from rag.ports import Accepted, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from tasks import lanes
from tasks.documents.attachments import remove_attachments
from tasks.documents.blob_keys import source_key
from tasks.documents.purge_jobs import assign_purge_job
from tasks.documents.quotas import Arrival, check_room
from tasks.publishing.bells import announce
from tasks.publishing.publishing import Publisher, prepare
from tasks.submit.acceptance import Acceptance
from tasks.submit.backups import BackupSubmissions, Restoring
from tasks.submit.changes import Change, ChangeSubmissions
from tasks.submit.dead_letters import DeadLetters
from tasks.submit.ingestions import content_of, ensure_collection, ingest_job, inputs_of
from tasks.submit.reindexes import LayoutSubmissions
from tasks.submit.requests import Idempotency, Ingestion, Link, Question, Reindexing, Text, Upload

__all__ = [
    "LANES",
    "LANE_STAGES",
    "Change",
    "Idempotency",
    "Ingestion",
    "Link",
    "Publisher",
    "Question",
    "Reindexing",
    "Restoring",
    "Submissions",
    "Text",
    "Upload",
    "prepare",
]

LANE_STAGES: Mapping[str, tuple[Stage, ...]] = {lane.name: lane.stages for lane in lanes.LANES}
LANES: tuple[str, ...] = tuple(LANE_STAGES)


def most_open(settings: Settings) -> Mapping[JobKind, int]:
    """How many jobs of a kind may be queued or running; a kind without a number has no limit."""
    return {JobKind.INGEST: settings.max_open_ingests, JobKind.QUERY: settings.max_open_queries}


class Submissions:
    """Accepts jobs, and what changes them."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        publish: Callable[[Job], None] = announce,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._acceptance = Acceptance(jobs, blobs, publish, most_open(settings))
        self.dead_letters = DeadLetters(jobs, documents, blobs, self._acceptance.again)
        self.changes = ChangeSubmissions(settings, jobs, documents, blobs, self._acceptance)
        self.layouts = LayoutSubmissions(settings, jobs, documents, self._acceptance)
        self.backups = BackupSubmissions(Vault.of(settings), jobs, documents, self._acceptance)

    def ingest(
        self, ingestion: Ingestion, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Accept a document; ``job.inputs["document_id"]`` is its id. Creates a missing collection.

        Overloaded when MAX_OPEN_INGESTS are open: then nothing is made and no byte stored.
        ``owner``: name of the caller's key, here and below. QuotaExceeded when it may store no more.
        """
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        job_id = new_id()
        # an id made from the content: the same document sent twice is one
        document_id = ingestion.document_id or document_id_of(ingestion.source.content)
        arrival = Arrival(owner, ingestion.collection, document_id, ingestion.source.size)
        check_room(self._settings, self._documents, arrival)
        collection = ensure_collection(self._settings, self._documents, ingestion.collection)
        document = self._choose_version(ingestion, document_id)
        key = source_key(collection.folder, job_id)
        content, source = content_of(ingestion.source), inputs_of(ingestion.source, key)
        if content is not None:
            # durable with the job's entry in the journal, which is written before the 202
            self._blobs.put(key, content, wait=False)
        job = ingest_job(job_id, ingestion, collection, document, source, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=source.get("source_key"))

    def bring(
        self,
        collection: str,
        inputs: Json,
        source: str | None,
        idempotency: Idempotency,
        *,
        owner: str = "",
    ) -> Accepted:
        """Accept again what an earlier ingestion brought, as the same version, given by ``inputs``.

        ``source``: key of its bytes; None for an address. NotFound when they are gone; Overloaded.
        """
        if earlier := self._acceptance.repeated(idempotency):
            return earlier
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        job_id, own = new_id(), None
        if source is not None:
            own = source_key(generation_name(collection, inputs["generation"]), job_id)
            self._blobs.put(own, self._blobs.get(source))
            inputs = {**inputs, "source_key": own}
        stage = JobKind.INGEST.first_stage(inputs)
        job = NewJob(job_id, JobKind.INGEST, stage, collection, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=own)

    def attach(
        self, collection: str, inputs: Json, source: str, idempotency: Idempotency, *, owner: str
    ) -> Accepted:
        """Accept the ingestion of a file in a mail, whose own was accepted, however many are open.

        ``source``: key of the file's bytes, which are copied. NotFound when they are gone; UnknownCollection.
        """
        if earlier := self._acceptance.repeated(idempotency):
            return earlier
        job_id = new_id()
        own = source_key(generation_name(collection, inputs["generation"]), job_id)
        self._blobs.copy(source, own)
        version = self._documents.next_version(collection, inputs["document_id"])
        inputs = {**inputs, "version": version, "source_key": own}
        job = NewJob(job_id, JobKind.INGEST, Stage.PARSE, collection, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=own, promised=True)

    def _choose_version(self, ingestion: Ingestion, document_id: str) -> tuple[str, int]:
        """The id and version that the document gets.

        With ``keep``, a given id that is taken is replaced by another one. An id made from the content cannot
        be taken by other content.
        """
        name, documents = ingestion.collection, self._documents
        if not ingestion.keep or ingestion.document_id is None:
            return document_id, documents.next_version(name, document_id)
        version = documents.claim(name, document_id)
        if version is None:
            document_id = second_document_id(document_id, ingestion.source.content)
            version = documents.next_version(name, document_id)
        return document_id, version

    def ask(self, question: Question, idempotency: Idempotency | None = None, *, owner: str = "") -> Accepted:
        """Accept a question. Overloaded when MAX_OPEN_QUERIES are open.

        UnknownCollection, except for the default one: that may still be empty.
        """
        name = question.collection
        if name != self._settings.collection_name and self._documents.collection(name) is None:
            raise UnknownCollection(
                f"There is no collection {name!r}: ingest a document into it, "
                f"or create it with PUT /v1/collections/{name}"
            )
        job = NewJob(
            id=new_id(),
            kind=JobKind.QUERY,
            stage=Stage.EMBED_QUERY,
            collection=question.collection,
            inputs={
                "question": question.question,
                "top_k": question.top_k,
                "top_n": question.top_n,
                "where": question.where,
                "generate": question.generate,
                "stream": question.stream,
                "cache": question.cache,
            },
            deadline=time() + (question.timeout or self._settings.api_timeout),
            owner=owner,
        )
        return self._acceptance.hand_in(job, idempotency)

    def delete_document(self, collection: str, document_id: str, *, owner: str = "") -> Job:
        """Hide the document now, and remove its points and blobs by a job. NotFound when it is not there.

        What was attached to a mail goes with it.
        A call that broke off may be repeated: it returns the same job, unless another caller made one.
        """
        removal = self._documents.delete(collection, document_id)
        if removal is None:
            raise NotFound(f"There is no document {document_id!r} in collection {collection!r}")
        job = self._purge(removal, owner)
        for each in remove_attachments(self._jobs, self._documents, removal, owner=owner):
            self._acceptance.send(each)
        return job

    def drop_collection(self, name: str, *, owner: str = "") -> Job:
        """Hide the collection now, and remove everything of it by a job. NotFound when it is not there."""
        removal = self._documents.drop_collection(name)
        if removal is None:
            raise NotFound(f"There is no collection {name!r}")
        return self._purge(removal, owner)

    def cancel(self, job_id: str) -> Job:
        """End a job as cancelled. NotFound; Conflict when it is over. Layouts that it built go at once."""
        job = self._jobs.cancel(job_id)
        if job.kind in (JobKind.REINDEX, JobKind.REHEARSE, JobKind.RESTORE):
            self.layouts.look_after()
        return job

    def retry(self, job_id: str) -> Job:
        """Queue a job that ended badly again, at the stage where it did. NotFound; Conflict; Overloaded.

        A question gets as much time as it had at first.
        """
        return self._acceptance.again(job_id)

    def _purge(self, removal: Removal, owner: str) -> Job:
        accepted = assign_purge_job(self._jobs, self._documents, removal, owner=owner)
        if accepted.new:
            self._acceptance.send(accepted.job)
        return accepted.job
