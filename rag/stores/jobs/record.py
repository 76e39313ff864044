"""A job and its events as Redis holds them, read back into the nouns."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rag.bounds import encoded
from rag.model import EventKind, Job, JobEvent, JobKind, JobState, Json, Progress, Stage

Fields = Mapping[str, str]
Record = tuple[Sequence[bytes], int | None]
"""What the scripts return for a job: names and values in turn, and its place in the queue from 0."""

Entry = tuple[bytes, Mapping[bytes, bytes]]
"""An entry of an event stream: its id and its fields."""

_SECONDS = "t:"


def dumped(value: Json | None) -> str:
    """JSON text; '' for None. Raises ValueError for NaN and infinities."""
    return "" if value is None else encoded(value).decode()


def fields_of(record: Record) -> Fields:
    pairs, _ = record
    return {name.decode(): value.decode() for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def job_of(record: Record) -> Job:
    fields, place = fields_of(record), record[1]
    return Job(
        id=fields["id"],
        kind=JobKind(fields["kind"]),
        state=JobState(fields["state"]),
        stage=Stage(fields["stage"]),
        collection=fields["collection"],
        inputs=json.loads(fields["inputs"]),
        created_at=float(fields["created_at"]),
        queued_at=float(fields["queued_at"]),
        trace=fields.get("trace"),
        owner=fields.get("owner", ""),
        started_at=_seconds(fields, "started_at"),
        finished_at=_seconds(fields, "finished_at"),
        deadline=_seconds(fields, "deadline"),
        attempts=int(fields["attempts"]),
        token=int(fields["token"]),
        retries=int(fields.get("retries", 0)),
        reason=fields.get("reason"),
        progress=Progress(int(fields.get("done", 0)), int(fields.get("total", 0))),
        queue_position=None if place is None else place + 1,
        result=_json(fields, "result"),
        error=_json(fields, "error"),
        timings={
            name.removeprefix(_SECONDS): float(value)
            for name, value in fields.items()
            if name.startswith(_SECONDS)
        },
    )


def event_of(entry: Entry) -> JobEvent:
    event_id, fields = entry
    return JobEvent(
        id=event_id.decode(), kind=EventKind(fields[b"kind"].decode()), data=json.loads(fields[b"data"])
    )


def stands_for_result(entry: Entry) -> bool:
    """Whether an event tells a result that its job's record has."""
    return entry[1][b"kind"].decode() == EventKind.RESULT and entry[1][b"data"] == b"null"


def _seconds(fields: Fields, name: str) -> float | None:
    return float(fields[name]) if name in fields else None


def _json(fields: Fields, name: str) -> Any:
    return json.loads(fields[name]) if name in fields else None
