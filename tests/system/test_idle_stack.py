"""What an idle stack takes: processes, memory and the time until it is ready."""

import re
import sys
from time import sleep

import psutil
import pytest

from tests.system.running import Stack, until

PROCESSES = 12
MEGABYTES = 550.0
READY_SECONDS = 3.0
"""On a machine that does nothing else; others may make it wait."""

BUSY_FACTOR = 4.0

_BACK = re.compile(r"(\S+) is back")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process so")


@pytest.fixture
def idle_stack(own_stack: Stack) -> Stack:
    """A stack in an empty home, some time after it was ready."""
    own_stack.start().until_ready()
    sleep(10)
    return own_stack


def _processes(stack: Stack) -> list[psutil.Process]:
    assert stack.process is not None
    root = psutil.Process(stack.process.pid)
    return [root, *root.children(recursive=True)]


def _megabytes(processes: list[psutil.Process]) -> float:
    """Pages that several processes share count once."""
    return float(sum(process.memory_full_info().pss for process in processes)) / 1e6


def test_an_idle_stack_is_few_processes_and_little_memory_and_soon_ready(idle_stack: Stack) -> None:
    processes = _processes(idle_stack)
    found = "\n".join(" ".join(process.cmdline())[:100] for process in processes)

    assert len(processes) <= PROCESSES, found
    assert _megabytes(processes) <= MEGABYTES, found
    ready = re.search(r"ready in ([0-9.]+) s", idle_stack.printed)
    assert ready
    assert float(ready[1]) <= READY_SECONDS * BUSY_FACTOR


def test_with_the_fork_server_killed_everything_comes_back_and_ends_with_the_supervisor(
    own_stack: Stack,
) -> None:
    own_stack.start().until_ready()
    (server,) = [each for each in own_stack.processes() if "fork_server" in " ".join(each.cmdline())]

    server.kill()

    until(lambda: {"api", "vectors", "worker-embed"} <= {*_BACK.findall(own_stack.printed)}, 90)
    assert own_stack.process is not None
    own_stack.process.kill()
    own_stack.process.wait()
    until(lambda: own_stack.processes() == [], 60)
