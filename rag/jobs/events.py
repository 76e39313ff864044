"""Events of jobs."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

from rag.errors import InvalidRequest
from rag.jobs.scripts import Entry, JobScripts, event_of, fields_of, job_key, job_of
from rag.model import EventKind, Job, JobEvent, JobNews, JobState, Json
from rag.redis.connection import PREFIX, reaching_redis

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?\Z", re.ASCII)
LONGEST_RESULT = 4096
"""Bytes of the longest result that is told with the events of several jobs."""

_LARGEST = 2**63  # either number of an id; Redis refuses to read behind its own last one, 2**64 - 1


class Events(JobScripts):
    """Reads the stream of each job. Of a job that ended long ago, only its last events are left."""

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        _check(after)
        stream = f"{job_key(job_id)}:events"
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.xrange(stream, min=f"({after}" if after else "-")
            pipeline.exists(stream)
            entries, there = pipeline.execute()
        if there:
            return self._with_result(job_id, cast(list[Entry], entries))
        record = self._on("get", job_id)
        end = _end_of(job_of(record), fields_of(record).get("last_event")) if record else []
        return [event for event in end if after is None or _place(event.id) > _place(after)]

    def news(self, heard: Mapping[str, str | None]) -> JobNews:
        events: list[tuple[str, JobEvent]] = []
        over, long = set[str](), set[str]()
        for job in self._read(heard):
            if job.over:
                over.add(job.id)
            if job.result == b"":
                long.add(job.id)
            found = job.events if job.streamed or not job.over else self.events(job.id, after=heard[job.id])
            events += ((job.id, event) for event in map(job.with_result, found) if event is not None)
        told = [(job_id, event) for job_id, event in events if event.kind is not EventKind.TOKEN]
        return JobNews(
            events=tuple(sorted(told, key=lambda each: (_place(each[1].id), each[0]))),
            read={job_id: event.id for job_id, event in events},
            over=frozenset(over),
            long=frozenset(long),
        )

    def _read(self, heard: Mapping[str, str | None]) -> Iterator["_News"]:
        """The jobs with new events, and those that are over, all as of one instant."""
        asked: list[str] = []
        for job_id, after in heard.items():
            _check(after)
            job_key(job_id)
            asked += (job_id, after or "")
        return (_News.of(*told) for told in self._scripts.run("news", [PREFIX], "", LONGEST_RESULT, *asked))

    def _with_result(self, job_id: str, entries: Iterable[Entry]) -> list[JobEvent]:
        """The events of the entries; that of the result gets its data from the job's record."""
        events = []
        for entry in entries:
            event = event_of(entry)
            if event.kind is EventKind.RESULT and entry[1][b"data"] == b"null":
                with reaching_redis():
                    result = cast(bytes | None, self._client.hget(job_key(job_id), "result"))
                if result is None:  # removed when the job was run again
                    continue
                event = replace(event, data=json.loads(result))
            events.append(event)
        return events


@dataclass(frozen=True, slots=True)
class _News:
    """``streamed``: whether its events are still there one by one. ``result``: JSON; empty when too long."""

    id: str
    over: bool
    events: list[JobEvent]
    streamed: bool
    result: bytes | None

    @classmethod
    def of(
        cls,
        job_id: bytes,
        state: bytes | None,
        entries: Sequence[tuple[bytes, Sequence[bytes]]],
        streamed: int,
        result: bytes | None,
    ) -> Self:
        """From what the script tells of a job."""
        over = state is None or JobState(state.decode()).final
        events = [event_of((each, dict(zip(told[::2], told[1::2], strict=True)))) for each, told in entries]
        return cls(job_id.decode(), over, events, bool(streamed), result)

    def with_result(self, event: JobEvent) -> JobEvent | None:
        """The event; that of the result has what the record has. None when the job was run again since."""
        if event.kind is not EventKind.RESULT:
            return event
        return None if self.result is None else replace(event, data=json.loads(self.result or b"{}"))


def _check(after: str | None) -> None:
    """Raise InvalidRequest for text that is not the id of an event."""
    if after is not None and not (_EVENT_ID.match(after) and max(_place(after)) < _LARGEST):
        raise InvalidRequest(f"{after[:40]!r} is not the id of an event of this service")


def _end_of(job: Job, last: str | None) -> list[JobEvent]:
    """The last events of a job that is over, made from its record. ``last``: the id of the very last."""
    if last is None:
        return []
    state: Json = {"state": job.state.value, "stage": job.stage.value, "attempts": job.attempts}
    told = ((EventKind.STATE, state), (EventKind.RESULT, job.result), (EventKind.ERROR, job.error))
    kept = [(kind, data) for kind, data in told if data is not None]
    at, place = _place(last)
    first = max(0, place - len(kept) + 1)  # one step wrote them, so only the second number differs
    return [JobEvent(f"{at}-{first + n}", kind, data) for n, (kind, data) in enumerate(kept)]


def _place(event_id: str) -> tuple[int, int]:
    milliseconds, _, place = event_id.partition("-")
    return int(milliseconds), int(place or 0)
