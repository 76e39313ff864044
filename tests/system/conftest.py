"""The stack that system tests speak to."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.system.running import Stack, stack_in, until


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("recovery")
    group.addoption("--recovery-points", type=int, default=2_000, help="points that are lost and restored")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One running stack for all tests that leave it as they found it."""
    with TemporaryDirectory(prefix="aegis-system-") as home:
        running = stack_in(Path(home)).start()
        try:
            yield running.until_ready()
        finally:
            running.stop()


@pytest.fixture(scope="session")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        yield http


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test's own, not started yet; ended and searched for leftovers afterwards."""
    with TemporaryDirectory(prefix="aegis-system-") as home:
        mine = stack_in(Path(home))
        try:
            yield mine
        finally:
            if mine.process is not None:
                mine.stop()
        until(lambda: mine.processes() == [])
