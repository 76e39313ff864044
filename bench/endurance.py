"""Whether memory grows with the number of jobs that a stack has done."""

from time import sleep

from bench.client import Caller
from bench.figures import Figure
from bench.stack import Stack

FEW_JOBS, SOME_JOBS, MANY_JOBS = 200, 2_000, 100_000
BATCH = 500
SETTLE_SECONDS = 3.0


def measure(stack: Stack, caller: Caller, jobs: int, collection: str) -> dict[str, Figure]:
    """Ingest ``jobs`` documents of one sentence in batches.

    They replace each other, so that nothing but the records of jobs is kept.
    """
    batch = min(BATCH, jobs)
    ids = [f"sentence-{number}" for number in range(batch)]
    caller.ingest_batch([f"Sentence {number} is the first one." for number in range(batch)], collection, ids)
    sleep(SETTLE_SECONDS)
    before = stack.memory_mb()
    for first in range(0, jobs, batch):
        texts = [f"Sentence {number} is number {first + number}." for number in range(batch)]
        caller.ingest_batch(texts, collection, ids)
    sleep(SETTLE_SECONDS)
    after = stack.memory_mb()
    return {
        "memory_growth_mb": Figure(
            after - before, f"MB over {jobs:,} jobs, records included", peers={"before, MB": before}
        )
    }
