"""How batches stand, read once for all streams of this process that ask within a fifth of a second."""

import asyncio

from fastapi.concurrency import run_in_threadpool

from rag.model import BatchStanding
from rag.ports import BatchStore

APART_SECONDS = 0.2
"""Between two looks at all jobs of a batch."""


class BatchStandings:
    """Reads ``batches``, each batch five times a second at most, however many ask."""

    def __init__(self, batches: BatchStore) -> None:
        self._batches = batches
        self._due: dict[str, asyncio.Task[BatchStanding]] = {}

    async def read_soon(self, batch_id: str) -> BatchStanding:
        """How the batch stands some time after this call, so that the caller misses nothing. Transient."""
        due = self._due.get(batch_id)
        if due is None:
            due = self._due[batch_id] = asyncio.create_task(self._read(batch_id))
            due.add_done_callback(_take_error)
        return await asyncio.shield(due)  # a caller who leaves must not cancel the others' read

    async def _read(self, batch_id: str) -> BatchStanding:
        await asyncio.sleep(APART_SECONDS)
        del self._due[batch_id]  # who asks from here on gets a later read
        return await run_in_threadpool(self._batches.standing, batch_id)


def _take_error(read: asyncio.Task[BatchStanding]) -> None:
    """Whoever waits gets the error; asyncio is not to log it where nobody waits any more."""
    if not read.cancelled():
        read.exception()
