"""Forked services: the same as executed ones to everybody who looks, and replaceable when the server dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from cli.supervisor.fork_client import ForkClient, ForkedProcess
from cli.supervisor.service import Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parts are forked on Linux only")

PROGRAM = """
import os, signal, sys, time
print(__name__, sys.argv[1:], os.getcwd(), os.environ["GREETING"], os.nice(0), flush=True)
print("open:", sorted(os.listdir("/proc/self/fd"))[:-1], flush=True)
if sys.argv[1] == "leave": sys.exit(7)
while True: time.sleep(60)
"""


@asynccontextmanager
async def _fork_client(folder: Path) -> AsyncIterator[ForkClient]:
    (folder / "stand_in.py").write_text(PROGRAM)
    paths = os.pathsep.join([str(folder), str(Path.cwd())])
    environment = {**os.environ, "PYTHONPATH": paths, "AEGIS_HOME": str(folder), "SPT_NOENV": "1"}
    environment["PROCESS_INSPECTION"] = "true"  # the tests look into the parts
    fork_client = await ForkClient.open(
        environment=environment, folder=folder, log=folder / "fork-server.log"
    )
    try:
        yield fork_client
    finally:
        await fork_client.close()


def _part(*arguments: str) -> Service:
    command = (sys.executable, "-m", "stand_in", *arguments)
    return Service("one", command, environment={"GREETING": "hello"}, nice=3, forked=True)


async def _forked(fork_client: ForkClient, folder: Path, *arguments: str) -> ForkedProcess:
    with (folder / "output").open("wb") as output:
        process = await fork_client.fork(_part(*arguments), output.fileno(), folder)
    assert process is not None
    return process


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells of a file that grows
            await asyncio.sleep(0.02)


def _printed(folder: Path) -> str:
    return (folder / "output").read_text()


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await scenario()

    asyncio.run(bounded())


def test_a_forked_part_runs_as_an_executed_one_would(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _fork_client(tmp_path) as fork_client:
            process = await _forked(fork_client, tmp_path, "stay")
            await _until(lambda: "open:" in _printed(tmp_path))
            seen = psutil.Process(process.pid)

            assert f"__main__ ['stay'] {tmp_path} hello 3" in _printed(tmp_path)
            assert "open: ['0', '1', '2']" in _printed(tmp_path)
            assert " ".join(seen.cmdline()).strip() == f"{sys.executable} -m stand_in stay"
            assert seen.environ()["AEGIS_HOME"] == str(tmp_path)
            assert os.getpgid(process.pid) == process.pid
            assert os.getsid(process.pid) == os.getsid(0), "else the kernel weighs it by itself, nice or not"

            process.send_signal(signal.SIGTERM)
            assert await process.wait() == -signal.SIGTERM

    _run(scenario)


def test_its_exit_status_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _fork_client(tmp_path) as fork_client:
            process = await _forked(fork_client, tmp_path, "leave")

            assert await process.wait() == 7

    _run(scenario)


def test_the_fork_server_rests_after_a_part_has_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _fork_client(tmp_path) as fork_client:
            await (await _forked(fork_client, tmp_path, "leave")).wait()
            spent = _seconds(fork_client.pid)

            await asyncio.sleep(1)

            assert _seconds(fork_client.pid) - spent < 0.2

    _run(scenario)


def _seconds(pid: int) -> float:
    """Processor time of a process until now."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_with_the_fork_server_its_parts_end_and_no_more_are_forked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _fork_client(tmp_path) as fork_client:
            process = await _forked(fork_client, tmp_path, "stay")

            os.kill(fork_client.pid, signal.SIGKILL)

            assert await process.wait() == -signal.SIGKILL
            await _until(lambda: not psutil.pid_exists(process.pid))
            with (tmp_path / "output").open("wb") as output:
                assert await fork_client.fork(_part("stay"), output.fileno(), tmp_path) is None

    _run(scenario)
