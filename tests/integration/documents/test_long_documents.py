"""A long document keeps no other key's job waiting: between two slices others have their turn."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rag.model import JobState, Point, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import lane_of
from tasks.stages.stage import deliver
from tasks.submit.submissions import Ingestion, Reindexing, Submissions, Text
from tests.deliveries import begin, job_of, record_bells
from tests.integration.farmodel import InProcess

COLLECTION = "handbook"
PARAGRAPHS = 200
LONG = "\n\n".join(f"Lamp {n} of the harbour {'shines ' * 150}" for n in range(PARAGRAPHS))


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    monkeypatch.setattr("tasks.stages.leases.TURN_SECONDS", -1.0)  # one batch a delivery
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path))
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def submitted(tools: InProcess, desk: Submissions, owner: str, until: Stage, text: str = "A lamp.") -> str:
    """A document that is named as its owner, on its way as far as ``until``."""
    job_id = desk.ingest(Ingestion(Text(text), COLLECTION, owner), owner=owner).job.id
    while (stage := job_of(tools, job_id).stage) is not until:
        delivered(stage)
    return job_id


def delivered(stage: Stage) -> str:
    """What a delivery in the stage's lane came to, without the names of the jobs."""
    return re.sub(r" \(.*?\)", "", deliver(app.toolbox, lane_of(stage)))


def finished(tools: InProcess, *job_ids: str) -> int:
    """Deliver the stages of the jobs until they are over; how many deliveries that took."""
    count = 0
    while left := [job for job in (job_of(tools, job_id) for job_id in job_ids) if not job.state.final]:
        delivered(left[0].stage)
        count += 1
    return count


def points(tools: InProcess, document_id: str) -> int:
    return tools.vectors.count(f"{COLLECTION}-1", document_id)


class Writes(list[int]):
    """How many points each write to the vector engine was for; ``during`` happens in the next one."""

    during: Callable[[], None] | None = None


@pytest.fixture
def writes(tools: InProcess, monkeypatch: pytest.MonkeyPatch) -> Writes:
    sizes, upsert = Writes(), tools.vectors.upsert

    def write(collection: str, points: Sequence[Point]) -> None:
        sizes.append(len(points))
        during, sizes.during = sizes.during, None
        if during is not None:
            during()
        upsert(collection, points)

    monkeypatch.setattr(tools.vectors, "upsert", write)
    return sizes


def test_embedding_gives_way_between_two_slices(tools: InProcess, desk: Submissions) -> None:
    long = submitted(tools, desk, "busy", Stage.EMBED, LONG)
    came: list[str] = []

    def come(items: Sequence[object]) -> None:
        tools.far.during = lambda items: None
        came.append(submitted(tools, desk, "quiet", Stage.EMBED))

    tools.far.during = come
    assert delivered(Stage.EMBED) == "next: embed"

    delivered(Stage.EMBED)

    assert job_of(tools, came[0]).stage is Stage.INDEX
    assert job_of(tools, long).stage is Stage.EMBED
    finished(tools, long, *came)
    result = job_of(tools, long).result
    assert result is not None
    assert points(tools, "busy") == result["chunks"] > 128
    assert sum(tools.far.calls) == result["chunks"] + 1, "no slice is embedded twice"


def test_writing_points_gives_way_between_two_slices(
    tools: InProcess, desk: Submissions, writes: Writes
) -> None:
    long = submitted(tools, desk, "busy", Stage.INDEX, LONG)
    came: list[str] = []
    writes.during = lambda: came.append(submitted(tools, desk, "quiet", Stage.INDEX))

    assert delivered(Stage.INDEX) == "next: index"
    assert writes == [64]
    assert delivered(Stage.INDEX) == "succeeded"
    assert job_of(tools, came[0]).state is JobState.SUCCEEDED

    finished(tools, long)
    assert sum(writes) - 1 == points(tools, "busy") > 128, "no slice is written twice"


def test_points_are_written_anew_after_anything_else_came_between(
    tools: InProcess, desk: Submissions, writes: Writes
) -> None:
    """What the first slices left may be gone by then."""
    long = submitted(tools, desk, "busy", Stage.INDEX, LONG)
    came: list[str] = []
    writes.during = lambda: came.append(submitted(tools, desk, "quiet", Stage.INDEX))
    assert delivered(Stage.INDEX) == "next: index"
    tools.jobs.cancel(came[0])
    writes.clear()
    lease = begin(tools.jobs, long, Stage.INDEX, lease_seconds=30)
    assert lease is not None
    assert tools.jobs.requeue(lease, error={"type": "urn:aegis:problem:unavailable"})

    finished(tools, long)

    assert sum(writes) == points(tools, "busy") > 128


def test_one_key_alone_gives_way_to_nobody(tools: InProcess, desk: Submissions) -> None:
    submitted(tools, desk, "busy", Stage.EMBED, LONG)
    submitted(tools, desk, "busy", Stage.EMBED)

    assert delivered(Stage.EMBED) == "next: index"


def test_the_stages_of_a_lane_take_turns(tools: InProcess, desk: Submissions) -> None:
    """So a key that changes many collections keeps nobody else waiting, whichever stage is older."""
    finished(tools, submitted(tools, desk, "busy", Stage.EMBED))
    reindex = desk.layouts.reindex(Reindexing(COLLECTION, force=True), owner="busy").job.id
    quiet = submitted(tools, desk, "quiet", Stage.EMBED)

    for _ in range(2):
        delivered(Stage.EMBED)

    assert job_of(tools, quiet).stage is Stage.INDEX
    assert job_of(tools, reindex).stage is not Stage.REEMBED or job_of(tools, reindex).progress.done
