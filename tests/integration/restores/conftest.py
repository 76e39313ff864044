"""An installation that backups are made of, and that they are restored into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.submit.submissions import Submissions
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess
from tests.integration.installations import COLLECTION, Install, desk_of, installations


@pytest.fixture
def installed(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installations(valkey, tmp_path, monkeypatch) as install:
        yield install


@pytest.fixture
def tools(installed: Install) -> InProcess:
    built = installed()
    built.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    return built


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return desk_of(tools)
