"""Stores that contract suites share."""

from functools import partial
from pathlib import Path

import pytest

from rag.stores.backups import keyring
from rag.stores.backups.cipher import Derivation
from rag.stores.backups.objects import Objects
from tests.contract.buckets import BUCKETS, HTTP, address_of
from tests.contract.vaults import KEY, in_bucket


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
