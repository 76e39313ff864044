"""Names what a job is about, as a person would. The job's own record is enough, so nothing is looked up.

The words of questions and documents belong to their owners: who may read the job sees them, and a log shows
them only on request.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from rag.fetching.urls import redacted
from rag.model import Job, JobKind
from rag.naming import plain_name

LONGEST = 200
"""Characters of a question, a title or a file's name that are shown."""

_LONGEST_LABEL = 120
_FIRST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Subject:
    """What a job is about. ``name``: the best of the other fields, in one line.

    ``collection`` None: all collections. ``title``: the one that was sent, or the first words of a text that
    came without a name. ``url``: without its query. ``backup``: its id.
    """

    name: str
    collection: str | None
    document_id: str | None = None
    title: str | None = None
    filename: str | None = None
    url: str | None = None
    question: str | None = None
    model: str | None = None
    backup: str | None = None


def subject_of(job: Job) -> Subject:
    """The subject of any job, also of one that an earlier version of Aegis accepted."""
    inputs = job.inputs
    return Subject(
        name=_name(job, _names(job)),
        collection=job.collection or inputs.get("collection"),
        document_id=inputs.get("document_id"),
        title=_short(inputs.get("title") or inputs.get("beginning")),
        filename=_short(inputs.get("filename")),
        url=redacted(inputs["url"]) if inputs.get("url") else None,
        question=_short(inputs.get("question")),
        model=inputs.get("model"),
        backup=inputs.get("backup"),
    )


def label(job: Job, *, questions: bool = False) -> str:
    """The job for a log: its kind, its name and its collection, in one short line.

    ``questions``: whether the words of questions are shown. The first words of a document never are.
    """
    content = {"beginning"} if questions else {"beginning", "question"}
    name = _name(job, {of: name for of, name in _names(job).items() if of not in content})
    place = "" if job.kind in _OTHERS or name == job.collection else f"in {job.collection}"
    return " ".join(filter(None, (job.kind, _cut(name, _LONGEST_LABEL), place)))


def named(job: Job) -> str:
    """The job in a log line: its id and its subject."""
    return f"job {job.id} ({label(job)})"


def first_words(text: str) -> str:
    """The first words of a text, as its name."""
    return _cut(plain_name(" ".join(text[:1000].split()[:_FIRST_WORDS])), LONGEST)


def _names(job: Job) -> dict[str, str]:
    """The possible names of a job about documents or a question, the best first."""
    inputs, document_id = job.inputs, job.inputs.get("document_id")
    is_made = False
    with suppress(ValueError):  # an id that was made from the content means nothing to a person
        is_made = str(UUID(document_id or "")) == document_id
    found: dict[str, str | None] = {
        "title": inputs.get("title"),
        "own_id": None if is_made else document_id,
        "filename": inputs.get("filename"),
        "url": redacted(inputs["url"]) if inputs.get("url") else None,
        "beginning": inputs.get("beginning"),
        "question": inputs.get("question"),
        "document_id": document_id,
        "collection": job.collection if job.kind is JobKind.DELETE else None,
    }
    return {of: name for of, name in found.items() if name}


def _name(job: Job, names: Mapping[str, str]) -> str:
    name = _OTHERS[job.kind](job) if job.kind in _OTHERS else next(iter(names.values()), "")
    return _cut(plain_name(name), LONGEST)


def _restored(job: Job) -> str:
    inputs = job.inputs
    what = f"{inputs['collection']} of " if inputs.get("collection") else ""
    into = f" into {inputs['into']}" if inputs.get("into") else ""
    return f"{what}{inputs.get('backup', '')}{into}"


_OTHERS: Mapping[JobKind, Callable[[Job], str]] = {
    JobKind.REINDEX: lambda job: f"{job.collection} by {job.inputs.get('model', '')}",
    JobKind.BACKUP: lambda job: f"{job.inputs.get('mode', 'incremental')} backup",
    JobKind.VERIFY: lambda job: str(job.inputs.get("backup", "")),
    JobKind.REHEARSE: lambda job: str(job.inputs.get("backup", "")),
    JobKind.RESTORE: _restored,
    JobKind.PRUNE: lambda _: "old backups",
}
"""The names of jobs that are about no document and no question."""


def _short(text: str | None) -> str | None:
    return _cut(text, LONGEST) if text else None


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
