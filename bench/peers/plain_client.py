"""Starts the plain way, sends it every text as a document, and waits until all of them are stored.

The embedded store belongs to one process, so the worker has one process there. With a Qdrant server it has
one for each processor core. ``PLAIN_REDIS_URL`` names the Redis server; the rest is made here.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep

import httpx

from bench.peers.arguments import print_seconds, read_arguments, read_texts

SORT = "paragraphs"
"""Chapters are not sent: a task that holds a whole chapter has no splitter."""

CALLERS = 4
READY_SECONDS, TASKS_SECONDS, STOP_SECONDS = 60.0, 180.0, 20.0


def main() -> None:
    options = read_arguments()
    with TemporaryDirectory(prefix="plain-") as folder:
        paths = {"PLAIN_MODEL": options.model, "PLAIN_TOKENIZER": options.tokenizer, "PLAIN_FOLDER": folder}
        os.environ.update({name: str(path) for name, path in paths.items()})
        with _running_service(Path(folder)) as url:
            ingest(url, ["Nothing is loaded yet when the first document comes."] * (os.cpu_count() or 1))
            begun = perf_counter()
            ingest(url, read_texts(options.texts)[SORT])
            print_seconds({SORT: perf_counter() - begun})


def ingest(url: str, texts: Sequence[str]) -> None:
    """Send a document for each text, and wait for all tasks. A task that fails raises its error here."""
    from bench.peers.plain_service import celery_app  # noqa: PLC0415 - reads the environment that main sets

    with httpx.Client() as http, ThreadPoolExecutor(CALLERS) as pool:

        def submit(text: str) -> str:
            answer = http.post(f"{url}/documents", json={"text": text}).raise_for_status()
            return str(answer.json()["task_id"])

        tasks = list(pool.map(submit, texts))
    deadline = monotonic() + TASKS_SECONDS
    for task in tasks:
        celery_app.AsyncResult(task).get(timeout=max(0.1, deadline - monotonic()))


@contextmanager
def _running_service(folder: Path) -> Iterator[str]:
    """The URL of the API, with a worker behind it, until the block ends."""
    from bench.peers.plain_service import create_collection  # noqa: PLC0415 - as above

    port = _free_port()
    processes = os.cpu_count() if "PLAIN_QDRANT_URL" in os.environ else 1
    service = "bench.peers.plain_service"
    worker = ["celery", "-A", f"{service}:celery_app", "worker", "--concurrency", str(processes)]
    server = ["uvicorn", f"{service}:api", "--port", str(port), "--log-level", "error", "--no-access-log"]
    commands = ([*worker, "--loglevel", "error"], server)
    create_collection()
    with (folder / "service.log").open("wb") as log:
        started = [
            subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log) for command in commands
        ]
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/openapi.json")
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in started:
                process.terminate()
                process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_ready(url: str) -> None:
    deadline = monotonic() + READY_SECONDS
    while True:
        try:
            httpx.get(url, timeout=2).raise_for_status()
        except httpx.HTTPError:
            if monotonic() > deadline:
                raise
            sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
