"""The REST contract, called from the command line. Every answer is the JSON that came."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cli.connection import LONG_POLL_SECONDS, Connection, encodable, given
from cli.contents import Content, Fixed
from cli.patience import Patience
from rag.errors import InvalidRequest, Transient
from rag.jsontypes import Json
from rag.settings.client import ClientSettings

if TYPE_CHECKING:
    from rag.settings import Settings

FINAL = frozenset({"succeeded", "failed", "cancelled", "dead"})
_NO_NAMES = frozenset({"", ".", ".."})
_JOB = ("state",)
"""What tells a job from what a stranger answers."""


class Client(Connection):
    """What one API can be asked for."""

    # --- submits

    def ingest(
        self, file: Path, document_id: str, collection: str | None = None, *, key: str | None = None
    ) -> Json:
        """``{"job_id", "document_id", "status_url"}``; ``key``: an Idempotency-Key."""
        with file.open("rb") as bytes_of:
            return self.ingest_content(Content(Fixed(bytes_of), file.name), document_id, collection, key=key)

    def ingest_content(
        self, content: Content, document_id: str, collection: str | None = None, *, key: str | None = None
    ) -> Json:
        """As :meth:`ingest`, of what is open already."""
        fields = given(document_id=document_id, collection=collection)
        return self._submit("/v1/documents", key=key, data=fields, files={"file": content.part})

    def ingest_link(self, url: str, collection: str | None = None, *, key: str | None = None) -> Json:
        """What is at ``url``, which the API fetches."""
        return self._submit("/v1/documents", key=key, json={"url": url, **given(collection=collection)})

    def ask(
        self,
        question: str,
        collection: str | None = None,
        top_k: int | None = None,
        *,
        fresh: bool = False,
    ) -> Json:
        """``{"job_id", "status_url", …}``; the answer's pieces come as events. ``fresh``: past the caches."""
        body = {"question": question, "stream": True, **given(collection=collection, top_k=top_k)}
        if fresh:
            body["cache"] = False
        return self._submit("/v1/queries", json=body)

    def search(self, question: str, **options: object) -> Json:
        """``{"job_id", …}`` of a query without an answer, whose result has ``hits`` alone.

        ``options``: collection, top_k, top_n, filter and cache, as the call takes them.
        """
        return self._submit("/v1/queries", json={"question": question, "generate": False, **options})

    # --- changes of what is there

    def cancel(self, job_id: str) -> Json:
        """The job. Conflict when it is over."""
        return self._call("DELETE", _address("jobs", job_id), needs=_JOB)

    def retry(self, job_id: str) -> Json:
        """The job, queued again at the stage where it ended. Conflict unless it ended badly."""
        return self._call("POST", f"{_address('jobs', job_id)}/retry", needs=_JOB)

    def delete_document(self, document_id: str, collection: str | None = None) -> Json:
        """``{"job_id", …}``; no search finds it any more."""
        return self._call(
            "DELETE",
            _address("documents", document_id),
            params=given(collection=collection),
            needs=("job_id",),
        )

    def make_collection(self, name: str) -> Json:
        """The collection, which may have been there."""
        return self._call("PUT", _address("collections", name), needs=("name",))

    def delete_collection(self, name: str) -> Json:
        """``{"job_id", …}``; no search finds anything of it any more."""
        return self._call("DELETE", _address("collections", name), needs=("job_id",))

    # --- layouts of a collection

    def reindex(self, collection: str, **options: str | float | None) -> Json:
        """``{"job_id", …}``; ``options``: model, dimension, tolerance and force, as the call takes them."""
        return self._submit(f"{_address('collections', collection)}/reindex", json=given(**options))

    def roll_back(self, collection: str) -> Json:
        """The collection, searched by the model that it was searched by before."""
        return self._call("POST", f"{_address('collections', collection)}/rollback", needs=("name",))

    def finish(self, collection: str) -> Json:
        """The collection, with one layout."""
        return self._call("POST", f"{_address('collections', collection)}/finish", needs=("name",))

    # --- reads

    def job(self, job_id: str, *, wait: float = 0) -> Json:
        """The job; with ``wait`` seconds, as soon as it is over."""
        return self._call("GET", _address("jobs", job_id), params={"wait": wait} if wait else {}, needs=_JOB)

    def finished(self, job_id: str) -> Json:
        """The job once it is over, however long that takes.

        Transient when there was no sign of the API for five minutes.
        """
        patience = Patience()
        while True:
            try:
                job = self.job(job_id, wait=LONG_POLL_SECONDS)
            except Transient as error:
                if self.nap(patience.pause(error)):
                    raise
            else:
                if job["state"] in FINAL:
                    return job
                patience.note_news()

    def all_jobs(self, **wanted: str | Sequence[str] | None) -> Iterator[Json]:
        """Those that the key may see, newest first; ``wanted``: state, kind and collection."""
        return self._items("/v1/jobs", **wanted)

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
            params=given(collection=collection),
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
        """How many were queued again, of a reason, of a collection, or of all; how many have no room now."""
        body = given(reason=reason, collection=collection)
        told = self._call("POST", "/v1/dead-letters/replay", json=body, needs=("replayed",))
        return int(told["replayed"]), int(told.get("left", 0))

    def drop(self, job_id: str) -> Json:
        """The job, which counts as failed."""
        return self._call("DELETE", _address("dead-letters", job_id), needs=_JOB)

    def drop_all(self, reason: str | None = None, collection: str | None = None) -> int:
        """How many were dropped: those of a reason, of a collection, or all."""
        params = given(reason=reason, collection=collection) or {"all": True}
        return int(self._call("DELETE", "/v1/dead-letters", params=params, needs=("dropped",))["dropped"])

    # --- health

    def readiness(self) -> Json:
        """``/health/ready`` whatever its status."""
        with self._translated():
            answer = self._http.get("/health/ready", timeout=5.0)
        return self._ours(answer, ("status", "components"))

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
        """One by its id, or ``latest``; then with ``at``, RFC 3339, of those that were finished by then."""
        return self._call("GET", _address("backups", backup), params=given(at=at), needs=("id",))

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
        return self._submit(f"{_address('backups', backup)}/restore", json=given(**options))

    def prune_backups(self) -> Json:
        """``{"job_id", …}``."""
        return self._submit("/v1/backups/prune")

    # --- keys

    def make_key(self, **fields: object) -> Json:
        """The key as it is shown this once, under ``key``; ``fields``: as the call takes them."""
        return self._call("POST", "/v1/keys", json=fields, needs=("key",))

    def made_keys(self) -> Iterator[Json]:
        """Those of API_KEYS first, then those in the records."""
        return self._items("/v1/keys")

    def rotate_key(self, key_id: str, **options: object) -> Json:
        """The key with another secret, shown this once; ``options``: grace_seconds and expires_at."""
        return self._call("POST", f"{_address('keys', key_id)}/rotate", json=options, needs=("key",))

    def revoke_key(self, key_id: str) -> Json:
        return self._call("DELETE", _address("keys", key_id), needs=("name",))

    def activate_key(self, key_id: str) -> Json:
        return self._call("POST", f"{_address('keys', key_id)}/activate", needs=("name",))

    def audit(self, **wanted: str | None) -> Iterator[Json]:
        """What was written to the audit log, newest first; ``wanted``: kind and key."""
        return self._items("/v1/audit", **wanted)


def connected(url: str | None = None, profile: str | None = None) -> Client:
    """A client of the API that the options name, else the environment, else of the stack on this machine."""
    settings = ClientSettings.of(url, profile)
    return Client(settings.url, settings.key, home=settings.home, source=settings.source)


def client_of(settings: "Settings", url: str | None = None) -> Client:
    """A client with API_KEY, of the API at ``url``; None: of the stack that the settings make."""
    from cli.addresses import base_url  # noqa: PLC0415 - a client has no use for the server's settings

    key = settings.api_key.get_secret_value() if settings.api_key else None
    if url:
        return Client(url, key)
    return Client(base_url(settings), key, home=settings.home)


def _address(of: str, name: str) -> str:
    """InvalidRequest for a name that would lead to another address."""
    if name in _NO_NAMES:
        raise InvalidRequest(f"{name!r} names nothing")
    with encodable():
        return f"/v1/{of}/{quote(name, safe='')}"
