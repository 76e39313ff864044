"""Many jobs followed at once, each to its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Event, Lock
from typing import Protocol

from cli.client import FINAL, Client
from cli.patience import Patience
from rag.errors import NotFound, Transient
from rag.model import Json

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 4.0
_LISTED = 1_000
"""Jobs of a listing that one look goes through."""
_SINGLY = 20
"""Jobs that one look asks for by their ids, where the listing is too long to have them."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened to a job; ``kind``: state, progress, result or error, each with its data."""

    job_id: str
    kind: str
    data: Json

    @property
    def is_last(self) -> bool:
        """Whether the job is over with it."""
        return self.kind in ("result", "error") or self.data.get("state") == "cancelled"


class JobFeed(Protocol):
    """Used by two threads: one says what to follow, one listens."""

    def add(self, job_id: str) -> None:
        """Follow this job too."""
        ...

    def close(self) -> None:
        """No job will be added any more, so the events end with the last job that there is."""
        ...

    def events(self) -> Iterator[Told]:
        """What happens to the jobs, until all are over and no more can come.

        Transient when there was no sign of the API for five minutes.
        """
        ...


class Listings:
    """Looks at the newest jobs of a kind again and again: one call for a hundred of them.

    The pause between two looks grows while nothing changes.
    """

    def __init__(self, client: Client, kind: str) -> None:
        self._client, self._kind = client, kind
        self._known: dict[str, Json] = {}
        self._lock, self._change, self._closed = Lock(), Event(), False

    def add(self, job_id: str) -> None:
        with self._lock:
            self._known.setdefault(job_id, {})
        self._change.set()

    def close(self) -> None:
        self._closed = True
        self._change.set()

    def events(self) -> Iterator[Told]:
        pause, patience = _FIRST_PAUSE, Patience()
        while self._wanted():
            changed = False
            try:
                for told in self._looked():
                    changed = True
                    yield told
                patience.learned()
                pause = _FIRST_PAUSE if changed else min(2 * pause, _LONGEST_PAUSE)
            except Transient as error:
                pause = patience.pause(error)
            if self._client.nap(pause):
                return

    def _wanted(self) -> bool:
        """Wait for a job to follow; False once there can be none."""
        while not self._known:
            if self._closed:
                return False
            self._change.wait()
            self._change.clear()
        return True

    def _looked(self) -> Iterator[Told]:
        """What is new since the last look."""
        with self._lock:
            left = set(self._known)
        for job in islice(self._client.jobs_since(min(left), self._kind), _LISTED):
            if job["id"] in left:
                left.discard(job["id"])
                yield from self._news(job)
        for job_id in sorted(left)[:_SINGLY]:
            yield from self._news(self._alone(job_id))

    def _alone(self, job_id: str) -> Json:
        try:
            return self._client.job(job_id)
        except NotFound as error:  # over, and forgotten
            return {"id": job_id, "state": "failed", "result": None, "error": {"detail": str(error)}}

    def _news(self, job: Json) -> Iterator[Told]:
        job_id = str(job["id"])
        with self._lock:
            before = self._known[job_id]
            if job["state"] in FINAL:
                del self._known[job_id]
            else:
                self._known[job_id] = job
        if job != before:
            yield from _told(job_id, job)


def _told(job_id: str, job: Json) -> Iterator[Told]:
    if job["result"] is not None:
        yield Told(job_id, "result", job["result"])
    elif job["error"] is not None:
        yield Told(job_id, "error", job["error"])
    else:
        yield Told(job_id, "state", {"state": job["state"], "stage": job["stage"]})
        if job["state"] not in FINAL:
            yield Told(job_id, "progress", job["progress"])
