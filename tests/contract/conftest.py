"""Stores that contract suites share."""

from functools import partial
from pathlib import Path

import pytest
import redis

from rag.ports import JobStore
from rag.settings import Settings
from rag.stores.backups import keyring
from rag.stores.backups.cipher import Derivation
from rag.stores.backups.objects import Objects
from rag.stores.blobs import ObstoreBlobs
from rag.stores.jobs import KeptJobStore, RedisJobStore
from rag.stores.journal import Journal
from tests.contract.buckets import BUCKETS, HTTP, address_of
from tests.contract.vaults import KEY, in_bucket


@pytest.fixture(params=["plain", "kept in a folder", "kept in memory"])
def jobs(request: pytest.FixtureRequest, redis_client: redis.Redis, tmp_path: Path) -> JobStore:
    settings = Settings(journal="all")
    if request.param == "plain":
        return RedisJobStore(redis_client, settings)
    address = "memory:///" if "memory" in request.param else tmp_path.as_uri()
    return KeptJobStore(redis_client, settings, Journal(ObstoreBlobs(address)))


@pytest.fixture(params=BUCKETS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store for a vault."""
    if request.param == "s3":
        return in_bucket(request.getfixturevalue("s3"))
    return Objects(address_of(request.param, tmp_path), HTTP)


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> str | None:
    """BACKUP_KEY."""
    return request.param


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt as it is meant takes a fraction of a second for each vault."""
    monkeypatch.setattr(keyring, "Derivation", partial(Derivation, n=16))
