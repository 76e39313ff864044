"""Tools over a broker that loses its data, and what a restoration publishes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from rag.settings import Settings
from tasks import records
from workers.tools import Tools


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the jobs that a restoration published."""
    ids: list[str] = []
    monkeypatch.setattr(records, "publish", lambda job: ids.append(job.id))
    return ids


@pytest.fixture(params=["folder", "memory"])
def tools(request: pytest.FixtureRequest, valkey: str, tmp_path: Path, sent: list[str]) -> Tools:
    address = (tmp_path / "blobs").as_uri() if request.param == "folder" else "memory:///"
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, blob_url=address, journal="all"))


@pytest.fixture
def lose(redis_client: redis.Redis) -> Callable[[], None]:
    return lambda: redis_client.flushall() and None
