"""Events of jobs."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

from rag.errors import InvalidRequest
from rag.jobs.scripts import Entry, JobScripts, event_of, fields_of, job_key, job_of
from rag.model import EventKind, Job, JobEvent, JobNews, JobState, Json
from rag.redis.connection import reaching_redis

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?\Z", re.ASCII)
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
        over = set()
        for job_id, (entries, there, state) in self._read(heard).items():
            if state is None or JobState(state.decode()).final:
                over.add(job_id)
            found = [event_of(entry) for entry in entries]
            if not there and job_id in over:
                found = self.events(job_id, after=heard[job_id])
            # without the data of results: each may have a MB, and there may be many jobs
            events += [
                (job_id, replace(event, data={}) if event.kind is EventKind.RESULT else event)
                for event in found
            ]
        told = [(job_id, event) for job_id, event in events if event.kind is not EventKind.TOKEN]
        return JobNews(
            events=tuple(sorted(told, key=lambda each: (_place(each[1].id), each[0]))),
            read={job_id: event.id for job_id, event in events},
            over=frozenset(over),
        )

    def _read(self, heard: Mapping[str, str | None]) -> Mapping[str, tuple[list[Entry], bool, bytes | None]]:
        """Of each job: its stream's entries, whether there is a stream, and its state, all at one instant."""
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=True)
            for job_id, after in heard.items():
                _check(after)
                key = job_key(job_id)
                pipeline.xrange(f"{key}:events", min=f"({after}" if after else "-")
                pipeline.exists(f"{key}:events")
                pipeline.hget(key, "state")
            answers = iter(pipeline.execute())
        return {job_id: (next(answers), bool(next(answers)), next(answers)) for job_id in heard}

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
