"""Many jobs followed by one stream, however many there are: one connection, and one call for all of them.

follower = Follower(client)
follower.add(job_id)          # from any thread, also while the events are read
follower.close()              # no more will be added
for told in follower.events():
    ...                       # ends when all jobs are over
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic

from cli.client import FINAL, Client
from cli.connection import Event
from cli.patience import Patience
from rag.errors import NotFound, Transient
from rag.jsontypes import Json

MOST_JOBS = 150
"""That the API follows in one stream."""

_APART_SECONDS = 1.0
"""Between two streams of a growing list of jobs."""

_ENDS = ("result", "error")
_UNHEARD = (0, 0)


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a job, as its own stream has it; ``kind``: state, progress, result or error."""

    job_id: str
    kind: str
    data: Json

    @property
    def is_last(self) -> bool:
        """Whether the job is over with it: with its result, its error, or that it was cancelled."""
        return self.kind in _ENDS or (self.kind == "state" and self.data.get("state") == "cancelled")


class Follower:
    """Jobs that are followed together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._heard: dict[str, tuple[int, int]] = {}
        self._change = threading.Condition()
        self._closed = False

    def add(self, job_id: str) -> None:
        """Follow this job too."""
        with self._change:
            self._heard[job_id] = _UNHEARD
            self._change.notify()

    def close(self) -> None:
        """No job will be added any more, so the events end with the last job that there is."""
        with self._change:
            self._closed = True
            self._change.notify()

    def events(self) -> Iterator[Told]:
        """What happens to the jobs, nothing twice, until all are over and no more can come.

        Transient when there was no sign of the API for five minutes.
        """
        last, patience = "", Patience()
        followed: tuple[str, ...] = ()
        while wanted := self._await_wanted():
            last = last if wanted == followed else ""  # one that is new is heard from its begin
            followed = wanted
            try:
                for event in self._stream(followed, last, patience):
                    patience.note_news()
                    last = event.id or last
                    yield from self._news(event)
                yield from self._ends(followed, patience)
            except Transient as error:
                if self._client.nap(patience.pause(error)):
                    raise

    def _await_wanted(self) -> tuple[str, ...]:
        """The jobs to follow now, the first ones first; waits for one. None once all are over."""
        with self._change:
            self._change.wait_for(lambda: self._heard or self._closed)
            return tuple(self._heard)[:MOST_JOBS]

    def _stream(self, followed: tuple[str, ...], after: str, patience: Patience) -> Iterator[Event]:
        """Until all are over, or others are to be followed as well."""
        began = monotonic()

        def note_sign() -> bool:
            patience.note_sign()
            return monotonic() - began < _APART_SECONDS or not self._has_more(followed)

        yield from self._client.stream("/v1/events", {"job": followed}, after, note_sign)
        left = _APART_SECONDS - (monotonic() - began)
        if left > 0 and self._has_more(followed):
            self._client.nap(left)

    def _has_more(self, followed: tuple[str, ...]) -> bool:
        """Whether there are jobs that ``followed`` lacks and has room for."""
        open_ = sum(job_id in self._heard for job_id in followed)
        return len(self._heard) > open_ and open_ < MOST_JOBS

    def _news(self, event: Event) -> Iterator[Told]:
        """The event, unless it was heard before."""
        if not event.kind:
            return
        told = Told(event.data["job_id"], event.kind, event.data["data"])
        place = _place(event.id)
        if told.job_id not in self._heard or _UNHEARD != place <= self._heard[told.job_id]:
            return
        self._heard[told.job_id] = place
        yield from self._noted(told)

    def _noted(self, told: Told) -> Iterator[Told]:
        if told.is_last:
            with self._change:
                del self._heard[told.job_id]
        yield told

    def _ends(self, followed: tuple[str, ...], patience: Patience) -> Iterator[Told]:
        """After a stream: the jobs whose end it did not tell, as where a clock was put back."""
        if self._has_more(followed):
            return
        for job_id in followed:
            if job_id in self._heard and (told := self._end(job_id)) is not None:
                yield from self._noted(told)
        if any(job_id in self._heard for job_id in followed):
            self._client.nap(patience.pause())

    def _end(self, job_id: str) -> Told | None:
        """How the job ended; None while it has not."""
        try:
            job = self._client.job(job_id)
        except NotFound as error:
            return Told(job_id, "error", {"title": error.title, "detail": str(error)})
        if job["state"] not in FINAL:
            return None
        return _told_of(job_id, job)


def _told_of(job_id: str, job: Mapping[str, Json]) -> Told:
    for kind, data in (("result", job["result"]), ("error", job["error"])):
        if data is not None:
            return Told(job_id, kind, data)
    return Told(job_id, "state", {"state": job["state"], "stage": job["stage"]})


def _place(event_id: str) -> tuple[int, int]:
    """Where an event stands among those of its job; ``event_id``: MILLISECONDS-NUMBER/JOB."""
    milliseconds, _, number = event_id.partition("/")[0].partition("-")
    return int(milliseconds or 0), int(number or 0)
