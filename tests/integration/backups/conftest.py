"""One installation whose backups are made step by step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.backups import contents
from rag.settings import Settings
from tasks.app import app
from tasks.backups import backup
from tasks.stages import leases
from tasks.submit.submissions import Submissions
from tests.deliveries import record_bells
from tests.integration.backups.making import COLLECTION, EMPTY, Copies, Store
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    monkeypatch.setattr(leases, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(contents, "LINES_A_PIECE", 3)
    settings = Settings(
        redis_url=valkey, aegis_home=tmp_path, jina_base_url="http://127.0.0.1:9/v1", backup_part_mb=1
    )
    built = InProcess(settings)
    monkeypatch.setitem(vars(built), "snapshots", Copies(built.vectors))
    app.import_tasks()
    app.toolbox = built
    for name in (COLLECTION, EMPTY):
        built.documents.put_collection(name, OLD, DIMENSIONS[OLD])
    yield built
    built.vectors.close()


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece a slice."""
    monkeypatch.setattr(backup, "SLICE_SECONDS", 0.0)


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was published before a backup counts as published long before."""
    monkeypatch.setattr("tasks.backups.scope.CLOCKS_APART", 0.0)
