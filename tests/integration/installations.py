"""Installations in this process that share a bucket of backups, and what a person does with them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rag.backups.digest import digests
from rag.model import Job, JobState, Manifest, Point
from rag.ports import VectorStore
from rag.settings import Settings
from tasks.app import app
from tasks.backups import plan, restore
from tasks.stages import leases
from tasks.submit.backups import Restoring
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tests.contents import total
from tests.deliveries import finished, record_bells
from tests.integration.inprocess import InProcess
from workers.tools import Tools

COLLECTION = "handbook"


class Clustered(InProcess):
    """With the vectors in the Qdrant servers of the settings."""

    vectors = Tools.vectors


Install = Callable[..., InProcess]


@contextmanager
def installations(broker: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes an installation in a folder of its own, with the same broker and bucket of backups.

    Every slice of a stage is as short as it can be.
    """
    record_bells(monkeypatch)
    monkeypatch.setattr("tasks.submit.submissions.LayoutSubmissions.look_after", lambda _: None)
    monkeypatch.setattr(restore, "Submissions", partial(Submissions, publish=lambda job: None))
    monkeypatch.setattr(leases, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(plan, "SECONDS", 0.0)
    monkeypatch.setattr(restore, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(restore, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("tasks.backups.scope.CLOCKS_APART", 0.0)
    app.import_tasks()
    made: list[InProcess] = []

    def install(name: str = "first", **others: Any) -> InProcess:
        settings = Settings(
            redis_url=broker,
            aegis_home=folder / name,
            jina_base_url="http://127.0.0.1:9/v1",
            backup_url=(folder / "bucket").as_uri(),
            backup_part_mb=1,
            **others,
        )
        app.toolbox = (InProcess if settings.qdrant_url is None else Clustered)(settings)
        made.append(app.toolbox)
        return app.toolbox

    yield install
    for tools in made:
        tools.vectors.close()


def desk_of(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def brought(desk: Submissions, document_id: str, text: str | None = None) -> str:
    words = text or f"The lantern of {document_id} hangs above its northern gate.\nOnly {document_id} rows."
    return desk.ingest(Ingestion(Text(words), COLLECTION, document_id, title="Log")).job.id


def ingested(tools: InProcess, desk: Submissions, *names: str, text: str | None = None) -> None:
    for name in names:
        assert finished(tools, brought(desk, name, text)).state is JobState.SUCCEEDED


def backed_up(tools: InProcess, desk: Submissions) -> Manifest:
    job = finished(tools, desk.backups.back_up("incremental", "request").job.id)
    assert job.state is JobState.SUCCEEDED, job.error
    return tools.vault.manifest(job.id)


def restoring(desk: Submissions, **asked: object) -> str:
    return desk.backups.restore(Restoring(**asked)).job.id


def succeeded(tools: InProcess, job_id: str) -> Job:
    job = finished(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    return job


def points_in(vectors: VectorStore, store: str) -> list[Point]:
    found, window = [], vectors.scroll(store, after=None, limit=100)
    while window.next is not None:
        found += window.items
        window = vectors.scroll(store, after=window.next, limit=100)
    return [*found, *window.items]


def seen(tools: InProcess, name: str = COLLECTION) -> dict[str, str]:
    """Each document with its passages, as searches see them."""
    collection = tools.documents.collection(name)
    assert collection is not None
    documents = tools.documents.page(name, cursor=None, limit=99).items
    points = points_in(tools.vectors, collection.store) if documents else []
    text: dict[str, str] = {each.document_id: "" for each in documents}
    live = {(each.document_id, each.version) for each in documents}
    for point in sorted(points, key=lambda each: each.passage.index):
        if (point.passage.document_id, point.passage.version) in live:
            text[point.passage.document_id] += f"{point.passage.text}\n"
    assert collection.chunks == sum(each.chunks for each in documents)
    return text


def digest_of(tools: InProcess) -> str:
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    return str(total(digests(points_in(tools.vectors, collection.store))))


def answered(tools: InProcess, desk: Submissions, words: str, *, cached: bool = False) -> list[str]:
    """Ids of the documents whose passages are found, best first."""
    question = Question(words, COLLECTION, top_k=5, top_n=5, where={}, generate=False)
    job = succeeded(tools, desk.ask(question).job.id)
    assert job.result is not None
    assert job.result["cached"] is cached
    return [hit["document_id"] for hit in job.result["hits"]]


def names(count: int) -> list[str]:
    return [f"isle{number:02}" for number in range(count)]
