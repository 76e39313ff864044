"""Both flows stage by stage, in this process: what is brought and asked, and how far it gets."""

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from io import BytesIO

import pytest

from rag.model import Hit, Point, SearchQuery, Stage
from rag.text import lexical
from rag.vectors.edge.store import EdgeVectorStore
from tasks.answer.answer import visible_hits
from tasks.documents.layouts import embedder_for
from tasks.submit.submissions import Ingestion, Question, Submissions, Text, Upload
from tests.deliveries import step
from workers.tools import Tools

COLLECTION = "handbook"


class InProcess(Tools):
    """The tools of a worker, with the vector engine in this process."""

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")


def submitted(desk: Submissions, text: str, document_id: str = "doc") -> str:
    return desk.ingest(Ingestion(Text(text), COLLECTION, document_id)).job.id


def upload(data: bytes, name: str, media_type: str) -> Upload:
    return Upload(BytesIO(data), len(data), sha256(data).hexdigest(), name, media_type)


def seen(tools: InProcess, question: str) -> list[str]:
    """Texts that a search sees, best first."""
    return [hit.passage.text for hit in hits_of(tools, question)]


def hits_of(tools: InProcess, question: str) -> list[Hit]:
    """What a search finds, best first."""
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    dense = embedder_for(tools, collection).embed_queries([question])[0].dense
    query = SearchQuery(dense, lexical.encode_question(question), limit=10)
    return list(visible_hits(tools, collection, query))


def indexing(tools: InProcess, desk: Submissions, text: str = "The lamp is green.") -> str:
    """A document that is to be indexed next."""
    job_id = submitted(desk, text)
    step(tools, job_id)
    assert step(tools, job_id).stage is Stage.INDEX
    return job_id


def after_writing(tools: InProcess, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Have ``then`` happen once, when points have just been written."""
    real, done = tools.vectors.upsert, []

    def write(store: str, points: Sequence[Point]) -> None:
        real(store, points)
        if not done:
            done.append(True)
            then()

    monkeypatch.setattr(tools.vectors, "upsert", write)


def crashed_while_indexing(tools: InProcess, desk: Submissions) -> str:
    """A job whose attempt died after it had written its points."""
    job_id = indexing(tools, desk)
    with pytest.MonkeyPatch.context() as patch:
        after_writing(tools, patch, _die)
        with pytest.raises(KeyboardInterrupt):
            step(tools, job_id)
    assert tools.vectors.count("handbook-1") == 1
    return job_id


def _die() -> None:
    raise KeyboardInterrupt


def asked(desk: Submissions, question: str) -> str:
    return desk.ask(Question(question, COLLECTION, top_k=10, top_n=3, where={})).job.id
