"""Follows many jobs with one stream of events, however many jobs there are.

follower = Follower(client)
follower.add(job_id)          # from any thread, also while the events are read
follower.close()              # no more will be added
for event in follower.events():
    ...                       # ends when all jobs have ended
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from cli.client.client import FINAL, Client
from cli.client.connection import Event, RetryTimer
from rag.errors import NotFound, Transient
from rag.web.jsontypes import Json

MOST_JOBS = 150
"""That the API follows in one stream."""

_REOPEN_SECONDS = 1.0
"""Between two streams, each of which follows more jobs."""

_UNHEARD = (0, 0)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of a job, as its own stream has it; ``kind``: state, progress, result or error."""

    job_id: str
    kind: str
    data: Json

    @property
    def is_last(self) -> bool:
        """Whether the job has ended with it: with its result, its error, or cancelled."""
        cancelled = self.kind == "state" and self.data.get("state") == "cancelled"
        return cancelled or self.kind in ("result", "error")


class Follower:
    """Jobs that are followed together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._heard: dict[str, tuple[int, int]] = {}
        """By job that has not ended: the position of its last event."""
        self._change = threading.Condition()
        self._closed = False

    def add(self, job_id: str) -> None:
        """Follow this job too."""
        with self._change:
            self._heard[job_id] = _UNHEARD
            self._change.notify()

    def close(self) -> None:
        """No job will be added any more: the events end with the last job."""
        with self._change:
            self._closed = True
            self._change.notify()

    def events(self) -> Iterator[JobEvent]:
        """The jobs' events, each once, until all jobs have ended and none can be added.

        Transient when there was no sign of the API for five minutes.
        """
        last, timer = "", RetryTimer()
        followed: tuple[str, ...] = ()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._heard or self._closed)
                wanted = tuple(self._heard)[:MOST_JOBS]
            if not wanted:
                return
            last = last if wanted == followed else ""  # a new job is followed from its first event
            followed = wanted
            try:
                for event in self._stream(followed, last, timer):
                    timer.note_news()
                    last = event.id or last
                    yield from self._take_new(event)
                yield from self._look_for_ends(followed, timer)
            except Transient as error:
                if self._client.sleep(timer.pause(error)):
                    raise

    def _stream(self, followed: tuple[str, ...], after: str, timer: RetryTimer) -> Iterator[Event]:
        """Ends when all jobs have ended, or when others are to be followed as well."""
        began = monotonic()

        def on_line() -> bool:
            timer.note_sign()
            # Leave the stream for one that also has the new jobs, but not more often than once a second.
            return monotonic() - began < _REOPEN_SECONDS or not self._has_more(followed)

        yield from self._client.stream("/v1/events", {"job": followed}, after, on_line)
        left = _REOPEN_SECONDS - (monotonic() - began)
        if left > 0 and self._has_more(followed):
            self._client.sleep(left)

    def _has_more(self, followed: tuple[str, ...]) -> bool:
        """Whether there are jobs that ``followed`` lacks and has room for."""
        running = sum(job_id in self._heard for job_id in followed)
        return len(self._heard) > running and running < MOST_JOBS

    def _take_new(self, event: Event) -> Iterator[JobEvent]:
        """The event, unless it came before. ``event.id``: MILLISECONDS-NUMBER/JOB."""
        if not event.kind:
            return
        found = JobEvent(event.data["job_id"], event.kind, event.data["data"])
        milliseconds, _, number = event.id.partition("/")[0].partition("-")
        # A stream that is resumed, or that got new jobs, repeats events.
        position = (int(milliseconds or 0), int(number or 0))
        if found.job_id not in self._heard or _UNHEARD != position <= self._heard[found.job_id]:
            return
        self._heard[found.job_id] = position
        yield self._note(found)

    def _note(self, event: JobEvent) -> JobEvent:
        if event.is_last:
            with self._change:
                del self._heard[event.job_id]
        return event

    def _look_for_ends(self, followed: tuple[str, ...], timer: RetryTimer) -> Iterator[JobEvent]:
        """After a stream: ends that it did not report, for example because a clock was put back."""
        if self._has_more(followed):
            return
        for job_id in followed:
            if job_id not in self._heard:
                continue
            try:
                job = self._client.job(job_id)
            except NotFound as error:
                gone = {"title": error.title, "detail": str(error)}
                yield self._note(JobEvent(job_id, "error", gone))
            else:
                if job["state"] in FINAL:
                    kind = next((kind for kind in ("result", "error") if job[kind] is not None), "state")
                    state = {"state": job["state"], "stage": job["stage"]}
                    yield self._note(JobEvent(job_id, kind, state if kind == "state" else job[kind]))
        if any(job_id in self._heard for job_id in followed):
            self._client.sleep(timer.pause())
