"""What integration tests share, and leave behind: no connection of the Celery app to a broker of its own."""

import threading
from collections.abc import Callable, Iterator

import pytest

from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tasks.app import app
from tests.chromium import Chromium, chromiums
from tests.system.running import until


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--first-submits", type=int, default=200, help="processes whose first submits come together"
    )


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """The app keeps pools for the address that it had when they were made; no thread may make some later."""
    without_pools()
    yield
    without_pools()
    until(lambda: not any(thread.name == "publisher" for thread in threading.enumerate()), 20)


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Chromium]]:
    """One Chromium for a module's tests. It may end by itself: then the next test gets another."""
    with chromiums(tmp_path_factory.mktemp("profiles")) as running:
        yield running


@pytest.fixture
def browser(browsers: Callable[[], Chromium]) -> Iterator[Chromium]:
    """Fails the test during which it ended, even if the test did not need it any more."""
    mine = browsers()
    yield mine
    assert not mine.ended, "Chromium has ended during this test"


@pytest.fixture(scope="session")
def isolated_parser() -> Iterator[IsolatedParser]:
    """A parser whose process starts once."""
    with IsolatedParser(Settings(), "workers.cutting") as parser:
        yield parser


def send_to(patch: pytest.MonkeyPatch, address: str) -> None:
    """Have what this process sends go to the broker at ``address``, in redis-py's spelling."""
    patch.setitem(app.conf, "broker_url", address.replace("unix://", "redis+socket://"))
    without_pools()  # another thread may have made some for the address of before


def without_pools() -> None:
    """Close the Celery app's connections."""
    app.close()
    app.amqp._producer_pool = None
