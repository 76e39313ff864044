"""Decides which runs are due and which beat sends them: any number of beats, without a leader."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from beat.schedule import Entry
from rag.redis.schedule import EntryRecord, Run, Runs

CLAIM_SECONDS = 10.0
"""The time in which the beat that began a run sends it; afterwards another beat does."""

AGAIN_SECONDS = 60.0
AGAIN_SECONDS_AT_MOST = 600.0
"""Between two messages of a promised run; longer, the longer it has not been done."""

SLACK_SECONDS = 60.0
"""A time that is further ahead than possible, by more than this, is from before the clock was set back."""


class Timekeeper:
    """``send`` publishes a run. When it raises, the next beat or a later round sends the run."""

    def __init__(self, entries: Sequence[Entry], runs: Runs, send: Callable[[Entry, Run], None]) -> None:
        self._entries = entries
        self._runs = runs
        self._send = send

    def round(self) -> float:
        """Begin and send what is due. Returns seconds until the next is due. Unavailable without Redis."""
        now, records = self._runs.read()
        return min(self._work_on(entry, records.get(entry.name), now) for entry in self._entries)

    def _work_on(self, entry: Entry, seen: EntryRecord | None, now: float) -> float:
        """Begin and send the entry's run if it is due. Returns seconds until it is due again."""
        record = _advance(entry, seen, now)
        if record == seen:
            return (record.run.again_at if record.run else entry.due_after(record.last_at)) - now
        # of several beats, the one whose swap succeeds sends the run
        if self._runs.swap(entry.name, seen, record) and record.run and record.run != (seen and seen.run):
            self._send(entry, record.run)
            sent = EntryRecord(record.last_at)
            if entry.promised:
                patience = min(max(AGAIN_SECONDS, now - record.run.begun_at), AGAIN_SECONDS_AT_MOST)
                sent = replace(record, run=replace(record.run, again_at=now + patience))
            self._runs.swap(entry.name, record, sent)
        return 0.0


def _advance(entry: Entry, seen: EntryRecord | None, now: float) -> EntryRecord:
    """The record with the run that is due now; ``seen`` itself when none is. Copes with a clock set back."""
    begun = Run(uuid4().hex, now, now + CLAIM_SECONDS)
    if seen is None:
        return EntryRecord(now, None if isinstance(entry.every, str) else begun)
    record = replace(seen, last_at=now) if seen.last_at > now + SLACK_SECONDS else seen
    run = record.run
    if run is None:
        return EntryRecord(now, begun) if entry.due_after(record.last_at) <= now else record
    if now < run.again_at <= now + AGAIN_SECONDS_AT_MOST + SLACK_SECONDS:
        return record
    return replace(record, run=replace(run, begun_at=min(run.begun_at, now), again_at=now + CLAIM_SECONDS))
