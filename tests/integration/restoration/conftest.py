"""Tools over a broker that loses its data, and how they lose it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from rag.settings import Settings
from workers.tools import Tools


@pytest.fixture(params=["folder", "memory"])
def tools(request: pytest.FixtureRequest, valkey: str, tmp_path: Path) -> Tools:
    address = (tmp_path / "blobs").as_uri() if request.param == "folder" else "memory:///"
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, blob_url=address, journal="all"))


@pytest.fixture
def lose(redis_client: redis.Redis) -> Callable[[], None]:
    return lambda: redis_client.flushall() and None
