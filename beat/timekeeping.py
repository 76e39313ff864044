"""Which runs are due, and who sends them: any number of beats, without a leader."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from beat.schedule import Entry
from rag.stores.runs import EntryRecord, Run, Runs

CLAIM_SECONDS = 10.0
"""In which whoever begins a run sends it; then it is another beat's."""

AGAIN_SECONDS = 60.0
AGAIN_SECONDS_AT_MOST = 600.0
"""Between two messages of a promised run: the more, the longer it has not been done."""

SLACK_SECONDS = 60.0
"""What lies further ahead than it can, and this, is from before the clock was put back."""


class Timekeeper:
    """``send`` puts a run on its way; what it raises leaves the run to the next beat, or to a later round."""

    def __init__(self, entries: Sequence[Entry], runs: Runs, send: Callable[[Entry, Run], None]) -> None:
        self._entries = entries
        self._runs = runs
        self._send = send

    def round(self) -> float:
        """Begin and send what is due. Seconds until something is due again. Unavailable without Redis."""
        now, records = self._runs.read()
        return min(self._look_at(entry, records.get(entry.name), now) for entry in self._entries)

    def _look_at(self, entry: Entry, seen: EntryRecord | None, now: float) -> float:
        """Seconds until the entry is to be looked at again."""
        record = _turned(entry, seen, now)
        if record == seen:
            return _next_look(entry, record) - now
        if self._runs.swap(entry.name, seen, record) and record.run and record.run != (seen and seen.run):
            self._send(entry, record.run)
            self._runs.swap(entry.name, record, _sent(entry, record, record.run, now))
        return 0.0


def _turned(entry: Entry, seen: EntryRecord | None, now: float) -> EntryRecord:
    """The record with the run that is due now, or as it was seen; nothing waits for a clock put back."""
    if seen is None:
        return EntryRecord(now, None if isinstance(entry.every, str) else _begun(now))
    record = replace(seen, last_at=now) if seen.last_at > now + SLACK_SECONDS else seen
    if record.run is not None:
        return replace(record, run=_claimed(record.run, now)) if _is_due(record.run, now) else record
    return EntryRecord(now, _begun(now)) if entry.due_after(record.last_at) <= now else record


def _is_due(run: Run, now: float) -> bool:
    return run.again_at <= now or run.again_at > now + AGAIN_SECONDS_AT_MOST + SLACK_SECONDS


def _begun(now: float) -> Run:
    return Run(uuid4().hex, now, now + CLAIM_SECONDS)


def _claimed(run: Run, now: float) -> Run:
    return replace(run, begun_at=min(run.begun_at, now), again_at=now + CLAIM_SECONDS)


def _sent(entry: Entry, record: EntryRecord, run: Run, now: float) -> EntryRecord:
    """What was sent is done, unless its task is to say so."""
    if not entry.promised:
        return EntryRecord(record.last_at)
    patience = min(max(AGAIN_SECONDS, now - run.begun_at), AGAIN_SECONDS_AT_MOST)
    return replace(record, run=replace(run, again_at=now + patience))


def _next_look(entry: Entry, record: EntryRecord) -> float:
    return record.run.again_at if record.run else entry.due_after(record.last_at)
