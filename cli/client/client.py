"""The API's calls, as methods. Every answer is the JSON that came."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from cli.client.connection import LONG_POLL_SECONDS, Connection, RetryTimer, drop_none, require_utf8
from cli.client.problems import error_of
from cli.client.transport import FixedLength, Upload
from rag.errors import AegisError, InvalidRequest, Transient
from rag.settings.client import ClientSettings
from rag.web.jsontypes import Json

if TYPE_CHECKING:
    from rag.settings import Settings

FINAL = frozenset({"succeeded", "failed", "cancelled", "dead"})
_NO_NAMES = frozenset({"", ".", ".."})
_JOB = ("state",)
"""Fields that an answer must have to be a job."""
_LOOK_SECONDS = 5.0
"""How long an answer about the present state may take."""


class Client(Connection):
    """What one API can do."""

    # --- submits

    def ingest(
        self, file: Path, document_id: str, collection: str | None = None, *, key: str | None = None
    ) -> Json:
        """``{"job_id", "document_id", "status_url"}``; ``key``: an Idempotency-Key."""
        with file.open("rb") as stream:
            upload = Upload(FixedLength(stream), file.name)
            return self.ingest_upload(upload, document_id, collection, key=key)

    def ingest_upload(
        self, upload: Upload, document_id: str, collection: str | None = None, *, key: str | None = None
    ) -> Json:
        """As :meth:`ingest`, of a file that is open already."""
        fields = drop_none(document_id=document_id, collection=collection)
        return self._submit("/v1/documents", key=key, data=fields, files={"file": upload.form_field})

    def ingest_all(
        self, files: Sequence[tuple[str, bytes]], collection: str | None = None, *, key: str | None = None
    ) -> Json:
        """``{"batch_id", "jobs", "refused"}`` of small files, each its document's id and its bytes."""
        parts = [("file", file) for file in files]
        fields = drop_none(collection=collection)
        return self._submit("/v1/documents:batch", key=key, needs="batch_id", data=fields, files=parts)

    def ingest_link(self, url: str, collection: str | None = None, *, key: str | None = None) -> Json:
        """The document at ``url``, which the API fetches."""
        return self._submit("/v1/documents", key=key, json={"url": url, **drop_none(collection=collection)})

    def ask(
        self,
        question: str,
        collection: str | None = None,
        top_k: int | None = None,
        *,
        fresh: bool = False,
    ) -> Json:
        """``{"job_id", "status_url", …}``; the answer comes in events. ``fresh``: do not use the caches."""
        body = {"question": question, "stream": True, **drop_none(collection=collection, top_k=top_k)}
        if fresh:
            body["cache"] = False
        return self._submit("/v1/queries", json=body)

    def search(self, question: str, **options: object) -> Json:
        """``{"job_id", …}`` of a query without an answer; its result has only ``hits``.

        ``options``: collection, top_k, top_n, filter and cache, as the call takes them.
        """
        return self._submit("/v1/queries", json={"question": question, "generate": False, **options})

    def ingest_text(
        self, text: str, document_id: str, collection: str | None = None, title: str | None = None
    ) -> Json:
        """``{"job_id", …}`` of a document that is given as text."""
        fields = drop_none(collection=collection, title=title)
        return self._submit("/v1/documents", json={"text": text, "document_id": document_id, **fields})

    def answer(self, question: str, **options: object) -> Json:
        """The job of a question once it has ended, however long that takes.

        ``options``: collection, top_k, top_n, filter, generate and cache, as the call takes them.
        """
        headers = {"Idempotency-Key": str(uuid4()), "Prefer": f"wait={LONG_POLL_SECONDS}"}
        found = self._call("POST", "/v1/queries", headers=headers, json={"question": question, **options})
        if found.get("state") in FINAL:
            return found
        if "job_id" not in found:
            raise self._not_aegis()
        return self.wait_for_job(str(found["job_id"]))

    # --- changes

    def cancel(self, job_id: str) -> Json:
        """The job. Conflict when it has ended."""
        return self._call("DELETE", _address("jobs", job_id), needs=_JOB)

    def retry(self, job_id: str) -> Json:
        """The job, queued again at the stage where it ended. Conflict unless it failed."""
        return self._call("POST", f"{_address('jobs', job_id)}/retry", needs=_JOB)

    def unstick(self) -> list[str]:
        """Help jobs that wait, and return what was done, a line each."""
        return list(self._call("POST", "/v1/jobs/unstick", needs=("done",))["done"])

    def delete_document(self, document_id: str, collection: str | None = None) -> Json:
        """``{"job_id", …}``; searches no longer find it."""
        return self._call(
            "DELETE",
            _address("documents", document_id),
            params=drop_none(collection=collection),
            needs=("job_id",),
        )

    def make_collection(self, name: str) -> Json:
        """The collection; it may have existed before."""
        return self._call("PUT", _address("collections", name), needs=("name",))

    def delete_collection(self, name: str) -> Json:
        """``{"job_id", …}``; searches no longer find anything in it."""
        return self._call("DELETE", _address("collections", name), needs=("job_id",))

    # --- layouts of a collection

    def reindex(self, collection: str, **options: str | float | None) -> Json:
        """``{"job_id", …}``; ``options``: model, dimension, tolerance and force, as the call takes them."""
        return self._submit(f"{_address('collections', collection)}/reindex", json=drop_none(**options))

    def roll_back(self, collection: str) -> Json:
        """The collection, searched again with its former model."""
        return self._call("POST", f"{_address('collections', collection)}/rollback", needs=("name",))

    def finish(self, collection: str) -> Json:
        """The collection, with one layout."""
        return self._call("POST", f"{_address('collections', collection)}/finish", needs=("name",))

    # --- reads

    def job(self, job_id: str, *, wait: float = 0) -> Json:
        """The job; with ``wait``, as soon as it has ended, after so many seconds at most."""
        return self._call("GET", _address("jobs", job_id), params={"wait": wait} if wait else {}, needs=_JOB)

    def wait_for_job(self, job_id: str) -> Json:
        """The job once it has ended, however long that takes.

        Transient when there was no sign of the API for five minutes.
        """
        timer = RetryTimer()
        while True:
            try:
                job = self.job(job_id, wait=LONG_POLL_SECONDS)
            except Transient as error:
                if self.sleep(timer.pause(error)):
                    raise
            else:
                if job["state"] in FINAL:
                    return job
                timer.note_news()

    def all_jobs(self, **wanted: str | Sequence[str] | None) -> Iterator[Json]:
        """Those that the key may see, newest first. ``wanted``: such as state, kind and collection."""
        return self._items("/v1/jobs", **wanted)

    def stuck_jobs(self) -> list[Json]:
        """Groups of jobs that wait unusually long, by reason."""
        return list(self._call("GET", "/v1/jobs/stuck", needs=("items",))["items"])

    def collections(self) -> Iterator[Json]:
        """Those that the key reaches, by name."""
        return self._items("/v1/collections")

    def collection(self, name: str) -> Json:
        return self._call("GET", _address("collections", name), needs=("name",))

    def documents(self, collection: str | None = None) -> Iterator[Json]:
        """Every document of the collection, by id."""
        return self._items("/v1/documents", collection=collection)

    def document(self, document_id: str, collection: str | None = None) -> Json:
        return self._call(
            "GET",
            _address("documents", document_id),
            params=drop_none(collection=collection),
            needs=("document_id",),
        )

    # --- dead letters

    def dead_letters(self, reason: str | None = None, collection: str | None = None) -> Iterator[Json]:
        """Those that the key reaches, newest first."""
        return self._items("/v1/dead-letters", reason=reason, collection=collection)

    def dead_letter(self, job_id: str) -> Json:
        return self._call("GET", _address("dead-letters", job_id), needs=("id",))

    def replay(self, job_id: str) -> Json:
        """Queued again: ``{"job_id", …}``."""
        return self._call("POST", f"{_address('dead-letters', job_id)}/replay", needs=("job_id",))

    def replay_all(self, reason: str | None = None, collection: str | None = None) -> tuple[int, int]:
        """How many of a reason and a collection, or of all, were queued again; how many have no room now."""
        body = drop_none(reason=reason, collection=collection)
        answer = self._call("POST", "/v1/dead-letters/replay", json=body, needs=("replayed",))
        return int(answer["replayed"]), int(answer.get("left", 0))

    def drop(self, job_id: str) -> Json:
        """The job, which counts as failed."""
        return self._call("DELETE", _address("dead-letters", job_id), needs=_JOB)

    def drop_all(self, reason: str | None = None, collection: str | None = None) -> int:
        """How many of a reason and a collection, or of all, were dropped."""
        params = drop_none(reason=reason, collection=collection) or {"all": True}
        return int(self._call("DELETE", "/v1/dead-letters", params=params, needs=("dropped",))["dropped"])

    # --- health

    def readiness(self) -> Json:
        """``/health/ready``, whatever its HTTP status."""
        with self._translated():
            answer = self._http.get("/health/ready", timeout=_LOOK_SECONDS)
        return self._object(answer.content, ("status", "components"))

    def lanes(self) -> Json:
        """Lanes, workers and jobs at this moment, by a single try: who shows them live looks again soon."""
        with self._translated():
            answer = self._http.get("/v1/lanes", timeout=_LOOK_SECONDS)
        if answer.is_error:
            raise error_of(answer)
        return self._object(answer.content, ("read_at", "lanes", "ended", "open"))

    def health(self) -> Json:
        """Version, environment, and which components are ready."""
        return self._call("GET", "/health", needs=("version", "environment"))

    # --- backups

    def back_up(self, mode: str) -> Json:
        """``{"job_id", …}``; ``mode``: incremental or full."""
        return self._submit("/v1/backups", json={"mode": mode})

    def backups(self) -> Iterator[Json]:
        """The newest first; one that cannot be used has an ``error``."""
        return self._items("/v1/backups")

    def backup(self, backup: str, at: str | None = None) -> Json:
        """One by its id, or ``latest``; with ``at``, RFC 3339, the latest that was finished by then."""
        return self._call("GET", _address("backups", backup), params=drop_none(at=at), needs=("id",))

    def backups_standing(self) -> Json:
        """How the last backup, verification, rehearsal, restore and prune ended."""
        return self._call("GET", "/v1/backups/standing")

    def verify(self, backup: str) -> Json:
        """``{"job_id", …}``."""
        return self._submit(f"{_address('backups', backup)}/verify")

    def rehearse(self, backup: str) -> Json:
        """``{"job_id", …}``."""
        return self._submit(f"{_address('backups', backup)}/rehearse")

    def restore(self, backup: str, **options: str | float | None) -> Json:
        """``{"job_id", …}``; ``options``: collection, into, at and replay, as the call takes them."""
        return self._submit(f"{_address('backups', backup)}/restore", json=drop_none(**options))

    def prune_backups(self) -> Json:
        """``{"job_id", …}``."""
        return self._submit("/v1/backups/prune")

    # --- keys

    def make_key(self, **fields: object) -> Json:
        """The new key; only this answer has its secret, under ``key``. ``fields``: as the call takes them."""
        return self._call("POST", "/v1/keys", json=fields, needs=("key",))

    def made_keys(self) -> Iterator[Json]:
        """Those of API_KEYS first, then those that were made through the API."""
        return self._items("/v1/keys")

    def rotate_key(self, key_id: str, **options: object) -> Json:
        """The key with a new secret, which only this answer has; ``options``: grace_seconds, expires_at."""
        return self._call("POST", f"{_address('keys', key_id)}/rotate", json=options, needs=("key",))

    def revoke_key(self, key_id: str) -> Json:
        return self._call("DELETE", _address("keys", key_id), needs=("name",))

    def activate_key(self, key_id: str) -> Json:
        return self._call("POST", f"{_address('keys', key_id)}/activate", needs=("name",))

    def audit(self, **wanted: str | None) -> Iterator[Json]:
        """The entries of the audit log, newest first; ``wanted``: kind and key."""
        return self._items("/v1/audit", **wanted)


def connect(url: str | None = None, profile: str | None = None) -> Client:
    """A client of the API that the options name, else the environment, else the stack on this machine."""
    settings = ClientSettings.of(url, profile)
    return Client(settings.url, settings.key, home=settings.home, source=settings.source)


def client_of(settings: "Settings", url: str | None = None) -> Client:
    """A client with API_KEY for the API at ``url``, or for the stack of these settings."""
    from cli.client.addresses import base_url  # noqa: PLC0415 - loads the server's settings

    key = settings.api_key.get_secret_value() if settings.api_key else None
    if url:
        return Client(url, key)
    return Client(base_url(settings), key, home=settings.home)


def result_of(job: Json, name: str) -> Json:
    """The result of a job that has ended. AegisError about ``name`` when it did not succeed."""
    if job["state"] == "succeeded":
        result: Json = job["result"]
        return result
    problem = job["error"] or {}
    raise AegisError(f"{name} ended as {job['state']}: {problem.get('detail', 'no reason given')}")


def _address(of: str, name: str) -> str:
    """The path of one thing. InvalidRequest for a name that would lead to another path."""
    if name in _NO_NAMES:
        raise InvalidRequest(f"{name!r} names nothing")
    # Quoted with safe="": a slash in a name must not lead to another path.
    with require_utf8():
        return f"/v1/{of}/{quote(name, safe='')}"
