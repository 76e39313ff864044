"""The attachments of a mail become documents of their own, each by an ingestion of its own.

The stage ``parse`` takes the files out of the mail, in a confined process, and stores them. The stage
``index`` publishes the mail with the list of its attachments, and then hands in their ingestions. So an
attachment is published only after its mail, and is deleted with it: whoever deletes the mail looks for its
attachments afterwards, and whoever publishes an attachment looks for its mail afterwards. See
docs/decisions/0049-attachments.md.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from pydantic import TypeAdapter

from rag.errors import DocumentError, NotFound, UnsupportedMedia
from rag.media import EML, HEAD_BYTES, described, media_type_of
from rag.model import Attachment, Document, Json, ReadingWarning, Removal
from rag.naming import attachment_document_id, second_document_id
from rag.parsing.warnings import attachments_not_read
from tasks.documents.attachments import attached_to, is_listed, remove_attachments
from tasks.documents.blob_keys import discard, work_key
from tasks.documents.purge_jobs import assign_purge_job
from tasks.documents.quotas import keeper_of
from tasks.ingest.sources import Source
from tasks.publishing.bells import ring_for
from tasks.stages.run import Done, StageRun
from tasks.submit.requests import Idempotency
from tasks.submit.submissions import Submissions

DEEPEST = 3
"""Mails within mails whose attachments are read."""

MOST = 100
"""Attachments of a mail that are read, and of all mails together that are attached to it."""

NOTED_ATTACHMENTS = _NAMED, _FORMER = "attachments", "former-attachments"
"""Artefacts: what is noted of a mail, and of the version that it replaces."""
_TOO_DEEP = f"only {DEEPEST} mails within one another are read"
_TOO_MANY = f"only {MOST} attachments are read"


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment that becomes a document: ``number`` is its place in the mail."""

    number: int
    document_id: str
    filename: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Attachments:
    """What became of the attachments of a mail. ``ids``: of all that it lists."""

    ids: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Former:
    """What the version had that a mail's version replaces."""

    attachments: tuple[str, ...] = ()
    metadata: Json = field(default_factory=dict)


_ATTACHMENTS = TypeAdapter(Attachments)
_FORMER_VERSION = TypeAdapter(Former)


@dataclass(slots=True)
class _Sorting:
    """Sorts the attachments of one mail into those that become documents, and the others."""

    run: StageRun
    parts: list[Part] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason."""

    def take(self, number: int, attachment: Attachment) -> None:
        try:
            media_type = self._readable_type(number, attachment)
        except UnsupportedMedia as error:
            self.unread.append((attachment.name, str(error)))
            return
        document_id = self._document_id(attachment)
        if any(part.document_id == document_id for part in self.parts):  # the same file twice
            return
        self.run.tools.blobs.put(_work_key(self.run, number), attachment.data)
        self.parts.append(Part(number, document_id, attachment.name, media_type))

    def _readable_type(self, number: int, attachment: Attachment) -> str:
        """UnsupportedMedia, also for what is over a limit."""
        if self.run.job.inputs.get("depth", 0) >= DEEPEST:
            raise UnsupportedMedia(_TOO_DEEP)
        if number >= self.run.job.inputs.get("most_attachments", MOST):
            raise UnsupportedMedia(_TOO_MANY)
        if not attachment.data.strip():
            raise UnsupportedMedia("it is empty")
        head = attachment.data[:HEAD_BYTES]
        try:
            return media_type_of(attachment.name, attachment.declared, head)
        except UnsupportedMedia as error:
            raise UnsupportedMedia(f"it is {described(head)}") from error

    def _document_id(self, attachment: Attachment) -> str:
        """An id below the mail's. Of two files with one name the second gets one made from its content."""
        job, documents = self.run.job, self.run.tools.documents
        mail_id = job.inputs["document_id"]
        document_id = attachment_document_id(mail_id, attachment.name)
        known = documents.get(job.collection, document_id)
        is_taken = known is not None and known.parent != mail_id
        if is_taken or any(part.document_id == document_id for part in self.parts):
            return second_document_id(document_id, sha256(attachment.data).hexdigest())
        return document_id


def note_attachments(run: StageRun, source: Source) -> tuple[ReadingWarning, ...]:
    """Store the attachments of a mail for :func:`noted_attachments` and :func:`hand_in_attachments`.

    Returns a warning about those that are not read.
    """
    if source.media_type != EML:
        return ()
    sorting = _Sorting(run)
    try:
        found = run.tools.parser.attachments(
            source.data, source.name, lambda: run.cancelled() or run.overdue()
        )
    except DocumentError as error:
        found = ()
        sorting.unread.append(("all attachments", str(error)))
    for number, attachment in enumerate(found):
        sorting.take(number, attachment)
    ids = tuple(part.document_id for part in sorting.parts)
    if sorting.parts:
        _note(run, Attachments(ids, tuple(sorting.parts)))
    return (attachments_not_read(sorting.unread),) if sorting.unread else ()


def keep_attachments(run: StageRun, present: Document) -> None:
    """Have a version that changes only the title list the attachments that the present one lists."""
    if present.attachments:
        _note(run, Attachments(ids=present.attachments))


def noted_attachments(run: StageRun) -> Attachments:
    try:
        return _ATTACHMENTS.validate_json(run.load(_NAMED))
    except NotFound:
        return Attachments()


def hand_in_attachments(run: StageRun, mail: Document) -> Attachments:
    """Hand in the ingestions of a published mail's attachments, and remove those that it lists no more.

    It may be done again: then it hands in the same jobs.
    """
    noted, former, tools, job = noted_attachments(run), _former(run), run.tools, run.job
    submissions = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=ring_for)
    for part in noted.parts:
        once = Idempotency(f"attachment:{job.id}:{part.number}", part.document_id)
        source, owner = _work_key(run, part.number), keeper_of(job)
        inputs = {**_inputs(run, mail, part, noted), **_own_fields(run, mail, part, former)}
        submissions.attach(job.collection, inputs, source, once, owner=owner)
    _remove_former(run, mail, former)
    return noted


def note_former(run: StageRun, former: Document) -> None:
    """Tell :func:`hand_in_attachments` what the version that is being replaced had."""
    if former.attachments:
        run.save(_FORMER, _FORMER_VERSION.dump_json(Former(former.attachments, former.metadata)))


def _former(run: StageRun) -> Former:
    try:
        return _FORMER_VERSION.validate_json(run.load(_FORMER))
    except NotFound:
        return Former()


def _remove_former(run: StageRun, mail: Document, former: Former) -> None:
    """Remove what was attached to any version before, also to one that came and went unseen by this job."""
    documents = run.tools.documents
    may_have_more = mail.version > 1 or mail.media_type == EML
    below = attached_to(documents, mail.collection, mail.document_id) if may_have_more else ()
    ids = tuple(dict.fromkeys((*former.attachments, *below)))
    gone = Removal("", mail.collection, mail.generation, mail.document_id, attachments=ids)
    for job in remove_attachments(run.tools.jobs, documents, gone):
        ring_for(job)


def is_unwanted(run: StageRun) -> bool:
    """Whether the job brings an attachment whose mail was deleted, or was replaced by another one."""
    inputs, documents = run.job.inputs, run.tools.documents
    if "parent" not in inputs:
        return False
    asked = inputs["parent"], inputs["document_id"], inputs.get("parent_fingerprint")
    return not is_listed(documents, run.job.collection, *asked)


def end_unwanted(run: StageRun) -> Done:
    """End the job of an attachment that is unwanted, before it was published."""
    ended = _superseded(run)
    return Done(lambda *_: ended, after=lambda: discard(run.tools.blobs, run.job, source=True, text=True))


def take_back(run: StageRun, document: Document) -> Done:
    """End the job of an attachment whose mail went in the moment in which it was published."""
    removal = run.tools.documents.delete(document.collection, document.document_id, up_to=document.version)
    if removal is not None:
        ring_for(assign_purge_job(run.tools.jobs, run.tools.documents, removal).job)
    ended = _superseded(run)
    return Done(lambda *_: ended, after=lambda: discard(run.tools.blobs, run.job))


def _superseded(run: StageRun) -> Json:
    version = {name: run.job.inputs[name] for name in ("document_id", "version")}
    return {**version, "chunks": 0, "tokens": 0, "unchanged": False, "superseded": True}


def _inputs(run: StageRun, mail: Document, part: Part, noted: Attachments) -> Json:
    inputs = run.job.inputs
    most = inputs.get("most_attachments", MOST)
    return {
        "document_id": part.document_id,
        "generation": mail.generation,
        "accepted_at": inputs["accepted_at"],
        "media_type": part.media_type,
        "filename": part.filename,
        "parent": mail.document_id,
        "parent_fingerprint": mail.fingerprint,
        "depth": inputs.get("depth", 0) + 1,
        "most_attachments": most // len(noted.parts),
    }


def _own_fields(run: StageRun, mail: Document, part: Part, former: Former) -> Json:
    """Title and metadata of an attachment: those of its mail; a change of the mail keeps what is its own."""
    own = run.tools.documents.get(mail.collection, part.document_id)
    if "revises" not in run.job.inputs or own is None or own.parent != mail.document_id:
        return {"title": None, "metadata": mail.metadata}
    more = {name: value for name, value in own.metadata.items() if name not in former.metadata}
    return {"title": own.given_title or None, "metadata": {**more, **mail.metadata}}


def _work_key(run: StageRun, number: int) -> str:
    return work_key(run.job, f"attachment-{number:03}")


def _note(run: StageRun, attachments: Attachments) -> None:
    run.save(_NAMED, _ATTACHMENTS.dump_json(attachments))
