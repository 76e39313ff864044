"""What the schedule has run, in Redis: one record an entry, for every beat that there is.

Nobody leads. A beat that finds an entry due writes that it begins the run, and whose write finds the
record as it was read has the run to itself. A run stays on record until it is known to be done, so what
became of the beat or of its message does not matter.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from redis import Redis

from rag.stores.redis import PREFIX, Scripts, reaching_redis

_KEY = f"{PREFIX}schedule"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is not known to be done. Times are Unix seconds of the server's clock.

    ``id``: the same however often it is sent. ``again``: it is sent once more then, and not before.
    """

    id: str
    begun_at: float
    again_at: float


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """``last_at``: when the entry's last run began, or its first was waited for. ``run``: that run."""

    last_at: float
    run: Run | None = None


class Runs:
    """``{aegis}:schedule``: a hash, entry -> JSON. Raises Unavailable when Redis is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "schedule")

    def read(self) -> tuple[float, Mapping[str, EntryRecord]]:
        """The server's time, and the records of the entries that have one."""
        with reaching_redis(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(_KEY)
            (seconds, microseconds), found = pipeline.execute()
        return seconds + microseconds / 1e6, {name.decode(): _read(text) for name, text in found.items()}

    def swap(self, entry: str, seen: EntryRecord | None, record: EntryRecord) -> bool:
        """Put ``record`` in the place of the one that was ``seen``. False: it is another one by now."""
        before = "" if seen is None else _written(seen)
        return bool(self._scripts.run("swap", [_KEY], entry, before, _written(record)))

    def end_run(self, entry: str, run: str) -> None:
        """The run is done, and is not sent again."""
        record = self._of(entry)
        while record is not None and record.run is not None and record.run.id == run:
            if self.swap(entry, record, EntryRecord(record.last_at)):
                return
            record = self._of(entry)

    def _of(self, entry: str) -> EntryRecord | None:
        with reaching_redis():
            text = cast(bytes | None, self._client.hget(_KEY, entry))
        return None if text is None else _read(text)


def _written(record: EntryRecord) -> str:
    return json.dumps(asdict(record))


def _read(text: bytes) -> EntryRecord:
    fields: dict[str, Any] = json.loads(text)
    return EntryRecord(fields["last_at"], fields["run"] and Run(**fields["run"]))
