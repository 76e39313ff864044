"""The record of the schedule's runs without Redis, and a clock that stands until it is moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rag.redis.schedule import EntryRecord, Runs

START = 1_800_000_000.0
"""A Friday at 08:00 UTC."""


@dataclass
class Clock:
    now: float = START


@dataclass
class MemoryRuns(Runs):
    """``meanwhile`` is called between a beat's reading and its next step, once."""

    clock: Clock
    records: dict[str, EntryRecord] = field(default_factory=dict)
    meanwhile: Callable[[], object] | None = None

    def read(self) -> tuple[float, Mapping[str, EntryRecord]]:
        found = self.clock.now, dict(self.records)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return found

    def swap(self, entry: str, seen: EntryRecord | None, record: EntryRecord) -> bool:
        if self.records.get(entry) != seen:
            return False
        self.records[entry] = record
        return True

    def _of(self, entry: str) -> EntryRecord | None:
        return self.records.get(entry)
