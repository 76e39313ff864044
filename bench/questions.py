"""How long a question takes: alone, and while bulk ingestion runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from threading import Event, Thread

from bench.client import Asked, Caller
from bench.figures import Figure, percentile


def one_after_another(caller: Caller, questions: Sequence[str], count: int, collection: str) -> list[Asked]:
    """Ask ``count`` questions, each when the one before has been answered."""
    return [caller.ask(question, collection) for question in islice(cycle(questions), count)]


@contextmanager
def bulk_ingestion(caller: Caller, documents: Sequence[str], collection: str) -> Iterator[None]:
    """Ingest documents without a pause, a few always waiting, until the block ends."""
    over = Event()

    def feed() -> None:
        waiting: list[str] = []
        for number, text in enumerate(cycle(documents)):
            if over.is_set():
                break
            waiting.append(caller.submit(f"{number}\n\n{text}", collection))
            if len(waiting) > 3:
                caller.finished(waiting.pop(0))
        for job in waiting:
            caller.finished(job)

    feeder = Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        over.set()
        feeder.join()


def figures(idle: Sequence[Asked], loaded: Sequence[Asked]) -> dict[str, Figure]:
    overheads = [(asked.seconds - asked.work_seconds) * 1000 for asked in idle]
    alone, beside = ([a.seconds * 1000 for a in asked] for asked in (idle, loaded))
    return {
        "query_overhead_p50_ms": Figure(percentile(overheads, 0.5), "ms", 40.0),
        "query_overhead_p95_ms": Figure(percentile(overheads, 0.95), "ms"),
        "query_p50_ms": Figure(percentile(alone, 0.5), "ms"),
        "query_p95_ms": Figure(percentile(alone, 0.95), "ms"),
        "query_p95_under_ingest_ms": Figure(percentile(beside, 0.95), "ms"),
        "query_p95_under_ingest_ratio": Figure(
            percentile(beside, 0.95) / percentile(alone, 0.95), "of the idle p95", 3.0
        ),
    }
