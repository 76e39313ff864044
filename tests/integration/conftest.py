"""What integration tests share, and leave behind: no connection of the Celery app to a broker of its own."""

from collections.abc import Iterator

import pytest

from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tasks.app import app
from tests.chromium import Chromium, chromium


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--first-submits", type=int, default=200, help="processes whose first submits come together"
    )


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """The app keeps pools for the address that it had when they were made."""
    without_pools()
    yield
    without_pools()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="session")
def isolated_parser() -> Iterator[IsolatedParser]:
    """A parser whose process starts once."""
    with IsolatedParser(Settings(), "workers.cutting") as parser:
        yield parser


def without_pools() -> None:
    """Close the Celery app's connections."""
    app.close()
    app.amqp._producer_pool = None
