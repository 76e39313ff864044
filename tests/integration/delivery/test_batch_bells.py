"""A lane hears of a batch at once, and once."""

from pathlib import Path

from rag.jobs import DurableBatchStore
from rag.model import Job, Stage
from rag.settings import Settings
from tasks.submit.batch_drafts import Part
from tasks.submit.batches import BatchRequest, BatchSubmissions
from tasks.submit.requests import Ingestion, Link, Text
from workers.tools import Tools


def test_each_lane_in_which_jobs_begin_is_told_once(valkey: str, tmp_path: Path) -> None:
    told = submit(Tools(Settings(redis_url=valkey, aegis_home=tmp_path)))

    assert [job.stage for job in told] == [Stage.PARSE, Stage.FETCH]


def test_a_lane_is_told_though_the_last_documents_are_refused(valkey: str, tmp_path: Path) -> None:
    told = submit(Tools(Settings(redis_url=valkey, aegis_home=tmp_path, max_open_ingests=2)))

    assert [job.stage for job in told] == [Stage.PARSE]


def submit(tools: Tools) -> list[Job]:
    """The jobs of which a lane is told when three texts and an address are submitted."""
    told: list[Job] = []
    store = DurableBatchStore(tools._redis, tools.settings, tools.restoration.journal)
    desk = BatchSubmissions(
        tools.settings, tools.jobs, store, tools.documents, tools.blobs, publish=told.append
    )
    sources = [Text("One."), Text("Two."), Text("Three."), Link("https://example.com/")]
    parts = [Part(at, Ingestion(source, "docs"), str(at)) for at, source in enumerate(sources)]
    desk.submit(parts, BatchRequest(lambda each: {"position": each.position}))
    return told
