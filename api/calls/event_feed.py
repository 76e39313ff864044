"""The events of jobs, read once for all streams of this process that follow many jobs.

One task reads the new events of every followed job in one step, and hands each of them to the streams of its
job. So one more stream costs what it takes to send its events, and asks the broker for nothing.

What is handed out together is all that had happened to the followed jobs at one instant. So a stream that
sends it in the order of the events' ids has sent every earlier event, and can resume after any of them.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import format_sse_event

from rag.model import EventKind, JobEvent
from rag.ports import JobStore
from rag.redis.job_notifications import ChangeFeed, Watch

_LEAST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
"""Seconds between two reads. Each one may have something for every stream."""

_PAUSE_PER_STREAM, _PAUSE_PER_SECOND = 0.005, 10.0
"""With more than 40 streams, or after a read of thousands of jobs, the pause grows: sending to a stream takes
some 80 µs of a processor, reading of a job some 5 µs of the broker."""

_RECHECK_SECONDS = 2.0  # a notification may be lost
_BUSY = 5  # reads in a row with something new

_to_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each event

Place = tuple[int, int]
"""Milliseconds and a number, which order the events of all jobs."""


def place_of(event_id: str) -> Place:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)


def encode_event(job_id: str, event: JobEvent) -> bytes:
    """The event as ``GET /v1/events`` sends it."""
    data = _to_json({"job_id": job_id, "data": event.data})
    event_id = f"{event.id}/{job_id}" if event.id else None
    return format_sse_event(event=event.kind.value, data_str=data, id=event_id)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event of a job. ``text``: as it is sent; None of a long result, which is in the job's record."""

    place: Place
    job_id: str
    event: JobEvent
    text: bytes | None


class Follower:
    """What one stream has still to send. It follows jobs from the events after those that were ``heard``."""

    def __init__(self, heard: Mapping[str, str | None]) -> None:
        self.joined = False
        self._open = set(heard)
        self._heard = {job_id: place_of(after) for job_id, after in heard.items() if after}
        self._waiting: list[FeedEntry] = []
        self._news = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    async def wait(self, seconds: float) -> bool:
        """True as soon as there is something to take, or nothing will come; False after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[list[FeedEntry], bool]:
        """The entries that have come, in order, and whether they are the last. Raises what ended the feed."""
        if self._error is not None:
            raise self._error
        taken, self._waiting = self._waiting, []
        self._news.clear()
        return taken, self._closed or not self._open

    def join(self, entries: Iterable[FeedEntry]) -> None:
        """Take over all that is known of its jobs so far."""
        self.joined = True
        new = (entry for entry in entries if entry.place > self._heard.get(entry.job_id, (-1, 0)))
        self._waiting += sorted(new, key=lambda entry: (entry.place, entry.job_id))
        if self._waiting:
            self._news.set()

    def hand(self, entry: FeedEntry) -> None:
        self._waiting.append(entry)
        self._news.set()

    def end_job(self, job_id: str) -> None:
        """The job gets no more events."""
        self._open.discard(job_id)
        if not self._open:
            self._news.set()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come; ``error``: because of it."""
        self._closed, self._error = True, error
        self._news.set()


@dataclass(eq=False, slots=True)
class _FollowedJob:
    """``heard``: the id of its last event that was read. ``entries``: its events, from the first one."""

    heard: str | None = None
    entries: list[FeedEntry] = field(default_factory=list)
    followers: set[Follower] = field(default_factory=set)


class JobEventFeed:
    """Reads ``jobs`` when ``changes`` tell of them. Once ``stopping`` is set, followers get what there is."""

    def __init__(self, jobs: JobStore, changes: ChangeFeed, stopping: threading.Event) -> None:
        self._jobs = jobs
        self._changes = changes
        self._stopping = stopping
        self._followed: dict[str, _FollowedJob] = {}
        self._joining: list[tuple[Follower, tuple[str, ...]]] = []
        self._streams = 0
        self._watch: Watch | None = None
        self._stopped = False
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self, heard: Mapping[str, str | None]) -> AsyncIterator[Follower]:
        """Follow the jobs, each from the event after the one ``heard``; None: from the first."""
        follower, job_ids = Follower(heard), tuple(heard)
        self._joining.append((follower, job_ids))
        for job_id in job_ids:
            self._followed.setdefault(job_id, _FollowedJob()).followers.add(follower)
        if self._watch is not None:
            self._changes.add(self._watch, *job_ids)
            self._watch.wake()
        self._start()
        self._streams += 1
        try:
            yield follower
        finally:
            self._streams -= 1
            for job_id in job_ids:
                self._leave(follower, job_id)

    def _leave(self, follower: Follower, job_id: str) -> None:
        job = self._followed.get(job_id)
        if job is None or follower not in job.followers:
            return
        job.followers.remove(follower)
        if not job.followers:
            del self._followed[job_id]
            if self._watch is not None:
                self._changes.remove(self._watch, job_id)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name="job-event-feed")
            self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is None and not self._stopping.is_set():
            if self._followed:  # somebody came while the task ended
                self._start()
            return
        followers = {each for job in self._followed.values() for each in job.followers}
        self._followed, self._joining = {}, []
        for follower in followers:
            follower.close(None if task.cancelled() else task.exception())

    async def _serve(self) -> None:
        """Read until nobody follows a job, or the server stops."""
        while self._followed and not self._stopped:
            # While there is something new every time, a notification of each change costs more than it tells.
            while await self._read_paced():
                pass
            if self._followed and not self._stopped:
                await self._serve_notified()

    async def _serve_notified(self) -> None:
        """Read after each notification, until the last _BUSY reads had something new, or all is over."""
        busy = 0
        async with self._changes.watch() as watch:
            self._watch = watch
            self._changes.add(watch, *self._followed)
            try:
                while self._followed and not self._stopped and busy < _BUSY:
                    await watch.wait(_RECHECK_SECONDS)
                    busy = busy + 1 if await self._read_paced() else 0
            finally:
                self._watch = None

    async def _read_paced(self) -> bool:
        """Read, and pause. False when there was nothing new, or nothing is left to do."""
        stopping, begun = self._stopping.is_set(), monotonic()
        news = await self._read()
        self._stopped = stopping
        if stopping or not self._followed:
            return False
        await asyncio.sleep(_pause_after(monotonic() - begun, self._streams))
        return news

    async def _read(self) -> bool:
        """Read the news of all followed jobs, and hand them out. Whether there were any."""
        asked, joining = dict(self._followed), self._joining
        self._joining = []
        news = await run_in_threadpool(self._jobs.news, {job_id: job.heard for job_id, job in asked.items()})
        # Who left meanwhile may have been the last of a job, and another may have come for it since.
        asked = {job_id: job for job_id, job in asked.items() if self._followed.get(job_id) is job}
        for job_id, event in news.events:
            if job_id in asked:
                long = event.kind is EventKind.RESULT and job_id in news.long
                text = None if long else encode_event(job_id, event)
                _hand_out(asked[job_id], FeedEntry(place_of(event.id), job_id, event, text))
        for job_id in asked.keys() & news.read.keys():
            asked[job_id].heard = news.read[job_id]
        for follower, job_ids in joining:
            follower.join(entry for job_id in job_ids if job_id in asked for entry in asked[job_id].entries)
        for job_id in asked.keys() & news.over:
            self._end_job(job_id, asked[job_id])
        return bool(news.events)

    def _end_job(self, job_id: str, job: _FollowedJob) -> None:
        # Those who came during this read follow it until the next one.
        for follower in [each for each in job.followers if each.joined]:
            follower.end_job(job_id)
            self._leave(follower, job_id)


def _pause_after(seconds: float, streams: int) -> float:
    """Seconds until the next read, after one that took ``seconds``. It grows with what they cost."""
    return min(_LONGEST_PAUSE, max(_LEAST_PAUSE, seconds * _PAUSE_PER_SECOND, streams * _PAUSE_PER_STREAM))


def _hand_out(job: _FollowedJob, entry: FeedEntry) -> None:
    job.entries.append(entry)
    for follower in job.followers:
        if follower.joined:
            follower.hand(entry)
