"""Many clients at once: 500 that submit, and 100 that read events while documents are ingested.

The clients share the machine with the stack. So those that read do next to nothing, and those that submit do
the same at a bare endpoint.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import httpx

from bench.client import Caller
from bench.figures import Figure, percentile
from bench.stack import Stack
from bench.streams import reading
from bench.submission import QUESTION, bare_endpoint

CLIENTS, READERS = 500, 100
_TURNS = (0, READERS, 0, READERS, 0)

_CONNECTIONS = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)

Post = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def measure_submits(url: str, collection: str, count: int) -> dict[str, Figure]:
    """Submit ``count`` questions by 500 clients, here and to a bare endpoint. Does not wait for the jobs."""
    body = {**QUESTION, "collection": collection}
    ours = asyncio.run(_submit_all(lambda http: http.post(f"{url}/v1/queries", json=body), count))
    with bare_endpoint() as bare_url:
        bare = asyncio.run(_submit_all(lambda http: http.post(f"{bare_url}/", json=QUESTION), count))
    return {
        "submit_500_clients_per_s": Figure(
            count / ours.seconds, "jobs/s", peers={"bare endpoint": count / bare.seconds}
        ),
        "submit_500_clients_ratio": Figure(
            bare.seconds / ours.seconds, "of a bare endpoint", more_is_better=True
        ),
        "submit_500_clients_p95_ms": Figure(
            percentile(ours.waits, 0.95) * 1000,
            "ms",
            peers={"bare endpoint": percentile(bare.waits, 0.95) * 1000},
        ),
    }


def measure_readers(stack: Stack, caller: Caller, texts: Sequence[str], collection: str) -> dict[str, Figure]:
    """Ingest ``texts`` five times, the second and fourth time with 100 readers of the jobs' events."""
    turns = [
        _ingest(stack, caller, [f"{turn}.{n}\n\n{text}" for n, text in enumerate(texts)], collection, readers)
        for turn, readers in enumerate(_TURNS)
    ]
    alone, read = turns[::2], turns[1::2]
    rate, seconds = median(turn.rate for turn in alone), median(turn.seconds for turn in alone)
    return {
        "event_readers_cost": Figure(
            1 - median(turn.rate for turn in read) / rate,
            "of the rate",
            0.05,
            peers={"alone, documents/s": rate},
        ),
        "event_readers_processor_cost": Figure(
            median(turn.seconds for turn in read) / seconds - 1,
            "of the stack's processor time",
            peers={
                "alone, ms a document": seconds * 1000,
                "the readers themselves, ms a document": median(turn.readers for turn in read) * 1000,
            },
        ),
    }


@dataclass(frozen=True, slots=True)
class _Ingested:
    """``rate``: documents a second. ``seconds``: processor time of the stack for one document, and
    ``readers``: that of the readers."""

    rate: float
    seconds: float
    readers: float


@dataclass(frozen=True, slots=True)
class _Submitted:
    """``seconds``: of all submits together. ``waits``: seconds that a client waited for each answer."""

    seconds: float
    waits: Sequence[float]


async def _submit_all(post: Post, count: int) -> _Submitted:
    left, waits = iter(range(count)), list[float]()
    async with httpx.AsyncClient(timeout=60, limits=_CONNECTIONS) as http:

        async def submit() -> None:
            for _ in left:
                begun = perf_counter()
                answer = await post(http)
                answer.raise_for_status()
                waits.append(perf_counter() - begun)

        begun = perf_counter()
        await asyncio.gather(*(submit() for _ in range(CLIENTS)))
        return _Submitted(perf_counter() - begun, waits)


def _ingest(stack: Stack, caller: Caller, texts: Sequence[str], collection: str, readers: int) -> _Ingested:
    """Ingest one batch, whose jobs so many readers follow. What was done before they read is left out."""
    batch = caller.submit_batch(texts, collection)
    with reading(stack.url, [placed["job_id"] for placed in batch["jobs"]], readers) as ended:
        done = caller.count_done(batch["batch_id"])
        begun, used = perf_counter(), stack.processor_seconds()
        left = caller.finish_batch(batch["batch_id"]) - done
        seconds, used = perf_counter() - begun, stack.processor_seconds() - used
        return _Ingested(left / seconds, used / left, ended.result() / left)
