"""Tools of a worker in this process, with a real parser and the real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tasks.app import app
from tasks.submit.submissions import Submissions
from tests.deliveries import record_bells
from tests.integration.flows.stages import InProcess
from workers import embedding
from workers.embedding.build import build
from workers.embedding.bundled import BundledEmbedder


@pytest.fixture(scope="module")
def model() -> BundledEmbedder:
    """The bundled model, built where set-up puts it if need be."""
    folder = Settings().model_dir
    build(folder, lambda line: None)
    return BundledEmbedder(folder)


@pytest.fixture
def tools(
    valkey: str,
    tmp_path: Path,
    model: BundledEmbedder,
    isolated_parser: IsolatedParser,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[InProcess]:
    monkeypatch.setattr(embedding, "embedder_for", lambda *_: model)
    monkeypatch.setattr(InProcess, "parser", isolated_parser)
    record_bells(monkeypatch)
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path))
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
