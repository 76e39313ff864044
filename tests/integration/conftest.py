"""What every integration test leaves behind: no connection of the Celery app to a broker of its own."""

from collections.abc import Iterator

import pytest

from tasks.app import app


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """The app keeps pools for the address that it had when they were made."""
    _without_pools()
    yield
    _without_pools()


def _without_pools() -> None:
    app.close()
    app.amqp._producer_pool = None
