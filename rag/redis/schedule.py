"""The runs of the schedule, in Redis: one record for each entry, shared by all beats.

There is no leader. A beat that finds an entry due writes that it begins the run; it may do so
only if the record is still as it was read. A run stays on record until it is known to be done, so it
is not lost with its beat or its message.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from pydantic import TypeAdapter
from redis import Redis

from rag.redis.connection import PREFIX, Scripts, reaching_redis

_KEY = f"{PREFIX}schedule"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is not known to be done. Times are Unix seconds by the Redis server's clock.

    ``id``: the same for every message of it. ``again_at``: the time of its next message.
    """

    id: str
    begun_at: float
    again_at: float


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """``last_at``: when the last run began, or the wait for the first one. ``run``: one that is not done."""

    last_at: float
    run: Run | None = None


_RECORD = TypeAdapter(EntryRecord)


class Runs:
    """``{aegis}:schedule``: a hash, entry -> JSON. Raises Unavailable when Redis is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "redis/schedule")

    def read(self) -> tuple[float, Mapping[str, EntryRecord]]:
        """The server's time, and the records of the entries that have one."""
        with reaching_redis(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(_KEY)
            (seconds, microseconds), found = pipeline.execute()
        records = {name.decode(): _RECORD.validate_json(text) for name, text in found.items()}
        return seconds + microseconds / 1e6, records

    def swap(self, entry: str, seen: EntryRecord | None, record: EntryRecord) -> bool:
        """Replace the record that was ``seen`` by ``record``. False when it is another one by now."""
        # compared as text, so it must be written in one form only
        before = "" if seen is None else json.dumps(asdict(seen))
        return bool(self._scripts.run("swap", [_KEY], entry, before, json.dumps(asdict(record))))

    def end_run(self, entry: str, run: str) -> None:
        """Record that the run is done, so that it is not sent again."""
        record = self._of(entry)
        while record is not None and record.run is not None and record.run.id == run:
            if self.swap(entry, record, EntryRecord(record.last_at)):
                return
            record = self._of(entry)

    def _of(self, entry: str) -> EntryRecord | None:
        with reaching_redis():
            text = cast(bytes | None, self._client.hget(_KEY, entry))
        return None if text is None else _RECORD.validate_json(text)
