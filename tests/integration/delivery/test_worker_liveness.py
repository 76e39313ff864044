"""A worker's liveness, on real workers that are stopped, held, cut off from their queue, or just busy."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from time import monotonic

import pytest

from rag.model import JobState, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import lane_named
from tasks.stages.leases import TURN_SECONDS
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tests.chaos.faults.traps import HOLD, PAUSE, Traps
from tests.deliveries import bells_in
from tests.integration.brokers import valkey_with
from tests.integration.conftest import send_to, without_pools
from tests.integration.workerprocess import Worker, working
from tests.system.running import until
from workers.embedding.build import build
from workers.tools import Tools

SILENCE = 10.0
"""The shortest that the settings allow."""

HASTY = {"SILENCE_SECONDS": str(SILENCE), "INTERACTIVE_TIMEOUT": "1", "DRAIN_SECONDS": "1"}

EMBEDDING, PARSING = "embed-query.embed_queries", "parse.cut"


@pytest.fixture(scope="module", autouse=True)
def _models() -> None:
    """The bundled model where set-up puts it, built there if need be."""
    build(Settings().model_dir, lambda line: None)


@contextmanager
def sending_to(address: str) -> Iterator[None]:
    """What this process sends goes to that broker until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        send_to(patch, address)
        yield


@pytest.fixture
def tools(valkey: str, tmp_path: Path) -> Iterator[Tools]:
    """The stores that the worker works on."""
    with sending_to(valkey):
        yield Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


def desk_of(tools: Tools) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs)


@pytest.fixture
def desk(tools: Tools) -> Submissions:
    return desk_of(tools)


@pytest.fixture
def traps(tmp_path: Path) -> Traps:
    return Traps(tmp_path)


@pytest.fixture
def embedder(valkey: str, tmp_path: Path) -> Iterator[Worker]:
    """A solo worker."""
    with working("embed-query", valkey, tmp_path, **HASTY) as worker:
        yield worker


@dataclass(frozen=True)
class Patient:
    """A worker with a broker of its own, and the job that it is at."""

    worker: Worker
    broker: str
    job_id: str | None


def stuck(worker: Worker, tools: Tools) -> str:
    """A solo worker whose stage never ends."""
    Traps(tools.settings.home).set(EMBEDDING, HOLD)
    return ask(desk_of(tools))


def busy(worker: Worker, tools: Tools) -> str:
    """A prefork worker with a long stage."""
    Traps(tools.settings.home).set(PARSING, HOLD)
    return ingest(desk_of(tools))


def deaf(worker: Worker, tools: Tools) -> None:
    """A worker that speaks and takes nothing."""
    app.control.cancel_consumer(worker.lane, destination=[f"{worker.lane}@{gethostname()}"])


def stopped(worker: Worker, tools: Tools) -> None:
    worker.process.send_signal(signal.SIGSTOP)


WARD: Mapping[Callable[[Worker, Tools], str | None], str] = {
    stuck: "embed-query",
    busy: "parse",
    deaf: "embed-query",
    stopped: "embed-query",
}
"""What is done to a worker, and of which lane it is."""


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Patient]]:
    """All at the same time, since what was done to them shows only after SILENCE."""
    found: dict[str, Patient] = {}
    with ExitStack() as stack:
        for deed, lane in WARD.items():
            home, broker = (
                tmp_path_factory.mktemp(deed.__name__),
                stack.enter_context(valkey_with("--appendonly", "yes")),
            )
            worker = stack.enter_context(working(lane, broker, home, **HASTY))
            with sending_to(broker):
                job_id = deed(worker, Tools(Settings(redis_url=broker, aegis_home=home)))
                without_pools()
            found[deed.__name__] = Patient(worker, broker, job_id)
        yield found


def idle(worker: Worker) -> float:
    sign = worker.sign
    assert sign is not None
    return sign.idle


def said_by(worker: Worker) -> str:
    """Why it counts as hung; "" while it does not."""
    return (worker.sign.hang() if worker.sign else None) or ""


def ask(desk: Submissions) -> str:
    return desk.ask(Question("Who rings the bell?", "aegis_docs_v2", top_k=10, top_n=3, where={})).job.id


def ingest(desk: Submissions, text: str = "The bell rings.") -> str:
    return desk.ingest(Ingestion(Text(text), "handbook")).job.id


def test_a_worker_without_jobs_proves_itself_by_canaries(embedder: Worker) -> None:
    until(lambda: idle(embedder) > 2)
    until(lambda: idle(embedder) < 1)

    assert embedder.is_healthy()


def test_a_stopped_worker_is_missed(patients: Mapping[str, Patient]) -> None:
    worker = patients["stopped"].worker

    until(lambda: worker.sign is None)

    assert not worker.is_healthy()


def test_a_worker_that_speaks_but_takes_nothing_hangs(patients: Mapping[str, Patient]) -> None:
    worker = patients["deaf"].worker

    until(lambda: said_by(worker).startswith("it has taken nothing from its queue for "), 60)

    until(lambda: not worker.is_healthy())
    with sending_to(patients["deaf"].broker):
        assert bells_in(lane_named(worker.lane)) == 0, "canaries count as bells"


def test_a_solo_worker_whose_stage_never_ends_hangs(patients: Mapping[str, Patient]) -> None:
    worker, job_id = patients["stuck"].worker, patients["stuck"].job_id

    until(lambda: f"{job_id}.{Stage.EMBED_QUERY}." in said_by(worker), 60)

    until(lambda: not worker.is_healthy())


def test_a_busy_worker_is_alive_for_as_long_as_its_stage_may_take(patients: Mapping[str, Patient]) -> None:
    worker = patients["busy"].worker

    until(lambda: worker.sign is not None and (worker.sign.busy or 0) > SILENCE + 2, 60)

    assert worker.is_healthy()


def test_a_long_backlog_is_no_silence(embedder: Worker, desk: Submissions, tools: Tools) -> None:
    embedder.process.send_signal(signal.SIGSTOP)
    last = [ask(desk) for _ in range(1000)][-1]
    assert tools.jobs.depth(Stage.EMBED_QUERY) >= 984, "but for those that it was at as it was stopped"
    embedder.process.send_signal(signal.SIGCONT)
    until(lambda: embedder.sign is not None and idle(embedder) < SILENCE)
    longest = 0.0

    def done() -> bool:
        nonlocal longest
        longest = max(longest, idle(embedder))
        job = tools.jobs.get(last)
        return job is not None and job.stage is not Stage.EMBED_QUERY

    until(done, 120)

    assert longest < SILENCE
    assert embedder.is_healthy()


@pytest.mark.parametrize("lane", ["embed-query", "parse"])
def test_a_worker_told_to_end_gives_back_what_it_cannot_finish(
    lane: str, tmp_path: Path, desk: Submissions, tools: Tools, traps: Traps
) -> None:
    valkey = tools.settings.records_url
    point = EMBEDDING if lane == "embed-query" else PARSING
    traps.set(point, HOLD)
    job_id = ask(desk) if lane == "embed-query" else ingest(desk)
    stage = lane_named(lane).stages[0]
    with working(lane, valkey, tmp_path, DRAIN_SECONDS="1") as first:
        until(lambda: traps.sprung(point) is not None)
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(20) == 0
    given_back = tools.jobs.get(job_id)
    queued = bells_in(lane_named(lane))
    with working(lane, valkey, tmp_path):
        until(lambda: (job := tools.jobs.get(job_id)) is not None and job.stage is not stage)

    assert given_back is not None
    assert (given_back.state, given_back.stage) == (JobState.QUEUED, stage)
    assert (given_back.attempts, given_back.retries) == (0, 0)
    assert queued == 1


@pytest.mark.parametrize("lane", ["embed-query", "parse"])
def test_a_worker_told_to_end_finishes_what_it_is_at(
    lane: str, tmp_path: Path, desk: Submissions, tools: Tools, traps: Traps
) -> None:
    valkey = tools.settings.records_url
    point = EMBEDDING if lane == "embed-query" else PARSING
    stage = lane_named(lane).stages[0]
    traps.set(point, PAUSE)
    first = ask(desk) if lane == "embed-query" else ingest(desk)
    with working(lane, valkey, tmp_path) as worker:
        until(lambda: traps.sprung(point) is not None)
        turn_over = monotonic() + TURN_SECONDS
        later = [ask(desk) if lane == "embed-query" else ingest(desk, f"Bell {n}") for n in range(30)]
        until(lambda: monotonic() > turn_over)
        worker.process.send_signal(signal.SIGTERM)
        traps.release(point)
        assert worker.process.wait(20) == 0

    finished, *others = [job for job_id in (first, *later) if (job := tools.jobs.get(job_id)) is not None]
    waiting = [job for job in others if job.stage is stage]
    assert finished.stage is not stage
    assert [job.state for job in others] == [JobState.QUEUED] * len(later)
    assert [job.attempts for job in waiting] == [0] * len(waiting)
    assert waiting
    assert bells_in(lane_named(lane)) >= 1, "it tells that some wait"
