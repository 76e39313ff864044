"""How fast jobs are accepted, compared with an endpoint that only writes to Redis once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep

import httpx

from bench.figures import Figure
from bench.servers import running_broker
from bench.stack import free_ports
from rag.errors import Unavailable

CALLERS = 4
QUESTION = {"question": "What is measured here?", "generate": False, "cache": False}


def measure(url: str, collection: str, count: int) -> dict[str, Figure]:
    """Submits a second of the stack at ``url``. Does not wait for the jobs."""
    ours = _rate(
        lambda http: http.post(f"{url}/v1/queries", json={**QUESTION, "collection": collection}), count
    )
    with bare_endpoint() as bare_url:
        bare = _rate(lambda http: http.post(f"{bare_url}/", json=QUESTION), count)
    return {
        "submit_per_s": Figure(ours, "jobs/s", peers={"bare endpoint": bare}),
        "submit_ratio": Figure(ours / bare, "of a bare endpoint", more_is_better=True),
    }


def _rate(call: Callable[[httpx.Client], httpx.Response], count: int) -> float:
    with httpx.Client(timeout=30) as http, ThreadPoolExecutor(CALLERS) as pool:
        call(http).raise_for_status()
        begun = perf_counter()
        for answer in pool.map(lambda _: call(http), range(count)):
            answer.raise_for_status()
        return count / (perf_counter() - begun)


@contextmanager
def bare_endpoint() -> Iterator[str]:
    """A FastAPI application with one route that writes one Redis key, on a broker of its own."""
    with TemporaryDirectory(prefix="aegis-bare-") as home:
        (port,) = free_ports(1)
        environment = {"AEGIS_HOME": home, "PATH": ""}
        options = ["--port", str(port), "--log-level", "error"]
        server = [sys.executable, "-m", "uvicorn", "bench.bare:app", *options]
        with running_broker(Path(home)):
            api = subprocess.Popen(server, env=environment)
            try:
                _wait_for(f"http://127.0.0.1:{port}/")
                yield f"http://127.0.0.1:{port}"
            finally:
                api.terminate()
                api.wait(20)


def _wait_for(url: str) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        try:
            httpx.post(url, json={}, timeout=2).raise_for_status()
        except httpx.HTTPError:
            sleep(0.05)
        else:
            return
    raise Unavailable("the bare endpoint did not start")
