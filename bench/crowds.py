"""Many clients at once: 500 that submit, and 100 that read events while documents are ingested.

The clients share the machine with the stack, so their own work is part of what is measured.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import httpx

from bench.client import Caller
from bench.figures import Figure, percentile
from bench.submission import QUESTION, bare_endpoint

CLIENTS, READERS = 500, 100
JOBS_EACH = 100
"""Jobs that one reader follows by one stream."""

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


def measure_readers(caller: Caller, url: str, texts: Sequence[str], collection: str) -> dict[str, Figure]:
    """Ingest ``texts`` three times, the second time with 100 readers of the jobs' events."""
    rates = [
        _ingestion_rate(caller, url, [f"{turn}\n\n{text}" for text in texts], collection, readers)
        for turn, readers in enumerate((0, READERS, 0))
    ]
    alone = median((rates[0], rates[2]))
    return {
        "event_readers_cost": Figure(
            1 - rates[1] / alone, "of the rate", 0.05, peers={"alone, documents/s": alone}
        )
    }


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


def _ingestion_rate(caller: Caller, url: str, texts: Sequence[str], collection: str, readers: int) -> float:
    """Documents a second of one batch, whose jobs ``readers`` clients follow."""
    begun = perf_counter()
    batch = caller.submit_batch(texts, collection)
    jobs = [placed["job_id"] for placed in batch["jobs"]]
    with ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(lambda: asyncio.run(_read_all(url, jobs, readers)))
        caller.finish_batch(batch["batch_id"])
        rate = len(texts) / (perf_counter() - begun)
        crowd.result()
    return rate


async def _read_all(url: str, jobs: Sequence[str], readers: int) -> None:
    async with httpx.AsyncClient(timeout=60, limits=_CONNECTIONS) as http:

        async def read(first: int) -> None:
            followed = [jobs[(first + n) % len(jobs)] for n in range(min(JOBS_EACH, len(jobs)))]
            async with http.stream("GET", f"{url}/v1/events", params={"job": followed}) as stream:
                stream.raise_for_status()
                async for _ in stream.aiter_bytes():
                    pass

        await asyncio.gather(*(read(reader * len(jobs) // readers) for reader in range(readers)))
