"""What happened to a job, event by event."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from rag.errors import InvalidRequest
from rag.model import EventKind, Job, JobEvent, JobNews, JobState, Json
from rag.stores.jobs.base import JobScripts, job_key
from rag.stores.jobs.record import Entry, event_of, fields_of, job_of, stands_for_result
from rag.stores.redis import reaching_redis

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?\Z", re.ASCII)
_LARGEST = 2**63  # either number of an id; Redis counts to 2**64 - 1 and refuses to look behind the last


class Events(JobScripts):
    """The stream of each job; of one that was over long ago, its end alone."""

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        _check(after)
        stream = f"{job_key(job_id)}:events"
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.xrange(stream, min=_begin(after))
            pipeline.exists(stream)
            entries, there = pipeline.execute()
        if there:
            told = (self._told(job_id, entry) for entry in cast(list[Entry], entries))
            return [event for event in told if event is not None]
        record = self._on("get", job_id)
        end = _end_of(job_of(record), fields_of(record).get("last_event")) if record else []
        return [event for event in end if after is None or _place(event.id) > _place(after)]

    def news(self, heard: Mapping[str, str | None]) -> JobNews:
        events: list[tuple[str, JobEvent]] = []
        over = set()
        for job_id, (entries, there, state) in self._read(heard).items():
            if state is None or JobState(state.decode()).final:
                over.add(job_id)
            told = [_without_result(event_of(entry)) for entry in entries]
            if not there and job_id in over:
                told = [_without_result(event) for event in self.events(job_id, after=heard[job_id])]
            events += [(job_id, event) for event in told]
        return JobNews(
            events=tuple(sorted(_without_pieces(events), key=lambda told: (_place(told[1].id), told[0]))),
            read={job_id: event.id for job_id, event in events},
            over=frozenset(over),
        )

    def _read(self, heard: Mapping[str, str | None]) -> Mapping[str, tuple[list[Entry], bool, bytes | None]]:
        """Of each job: what its stream has, whether there is one, and the job's state. All at one instant."""
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=True)
            for job_id, after in heard.items():
                _check(after)
                key = job_key(job_id)
                pipeline.xrange(f"{key}:events", min=_begin(after))
                pipeline.exists(f"{key}:events")
                pipeline.hget(key, "state")
            answers = iter(pipeline.execute())
        return {job_id: (next(answers), bool(next(answers)), next(answers)) for job_id in heard}

    def _told(self, job_id: str, entry: Entry) -> JobEvent | None:
        """An event with its data; None for a result that went when its job was run again."""
        event = event_of(entry)
        if not stands_for_result(entry):
            return event
        with reaching_redis():
            result = cast(bytes | None, self._client.hget(job_key(job_id), "result"))
        return replace(event, data=json.loads(result)) if result is not None else None


def _check(after: str | None) -> None:
    """InvalidRequest for what is not the id of an event."""
    if after is not None and not (_EVENT_ID.match(after) and max(_place(after)) < _LARGEST):
        raise InvalidRequest(f"{after[:40]!r} is not the id of an event of this service")


def _begin(after: str | None) -> str:
    """Where a stream is read from, as Redis has it."""
    return f"({after}" if after else "-"


def _without_result(event: JobEvent) -> JobEvent:
    """A result would have a MB, of many jobs at once; everything else is short."""
    return replace(event, data={}) if event.kind is EventKind.RESULT else event


def _without_pieces(events: Iterable[tuple[str, JobEvent]]) -> Iterator[tuple[str, JobEvent]]:
    return ((job_id, event) for job_id, event in events if event.kind is not EventKind.TOKEN)


def _end_of(job: Job, last: str | None) -> list[JobEvent]:
    """The last events of a job that is over, as its record has them; ``last``: the id of the very last."""
    if last is None:
        return []
    state: Json = {"state": job.state.value, "stage": job.stage.value, "attempts": job.attempts}
    told = ((EventKind.STATE, state), (EventKind.RESULT, job.result), (EventKind.ERROR, job.error))
    kept = [(kind, data) for kind, data in told if data is not None]
    at, place = _place(last)
    first = max(0, place - len(kept) + 1)  # they were written in one step
    return [JobEvent(f"{at}-{first + n}", kind, data) for n, (kind, data) in enumerate(kept)]


def _place(event_id: str) -> tuple[int, int]:
    milliseconds, _, place = event_id.partition("-")
    return int(milliseconds), int(place or 0)
