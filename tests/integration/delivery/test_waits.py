"""Jobs that get stuck in every way: the API names each one right, and unsticks what it safely can."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import stamina
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import Bounds, JobKind, JobState, NewJob, Stage
from rag.redis.connection import connect
from rag.redis.heartbeats import VECTORS, WorkerSign
from rag.settings import Settings
from rag.waits.conditions import ESTIMATE_ERROR
from tasks.app import app
from tests.chaos.faults.traps import HOLD, Traps
from tests.deliveries import deliver_batch, record_bells, work_job
from tests.integration.apiserver import Service, serving
from tests.integration.brokers import valkey_with
from tests.integration.delivery.test_worker_liveness import sending_to
from tests.integration.workerprocess import working
from tests.jinaserver import KEY, Jina
from tests.jinaserver import serving as serving_jina
from tests.system.running import until
from workers import tools as worker_tools
from workers.tools import Tools

PARSING = "parse.cut"
FAILED = {"type": "urn:aegis:problem:unavailable", "title": "away", "detail": "the vector engine is away"}

Json = Mapping[str, Any]


@pytest.fixture
def settings(valkey: str, tmp_path: Path) -> Settings:
    return Settings(redis_url=valkey, aegis_home=tmp_path, api_timeout=600)


@pytest.fixture
def api(settings: Settings) -> Iterator[Service]:
    with serving(settings) as service:
        yield service


@pytest.fixture
def tools(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """A worker's tools in this process: nothing is rung, and what is away is given up at once."""
    app.import_tasks()
    record_bells(monkeypatch)
    monkeypatch.setattr(worker_tools, "VECTOR_PATIENCE", 0.1)
    return Tools(settings)


def submit(api: Service, stage: Stage = Stage.PARSE, kind: JobKind = JobKind.INGEST, owner: str = "") -> str:
    job = api.parts.jobs.accept(NewJob(str(uuid7()), kind, stage, "handbook", {}, owner=owner)).job
    with connect(api.parts.settings) as client:
        client.hset(f"{{aegis}}:job:{job.id}", "kept", 1)
    return job.id


def wait_of(api: Service, job_id: str) -> Json:
    """Why the job waits. Asked for until the API reads the conditions anew."""
    found = api.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()["waiting_for"]
    assert found is not None
    return dict(found)


def reason_of(api: Service, job_id: str) -> str | None:
    found = api.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()["waiting_for"]
    return found and str(found["reason"])


def seconds_until(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() - time.time()


@contextmanager
def alive(api: Service, lane: str, *, busy: float | None = None, idle: float = 0.0) -> Iterator[None]:
    """A worker of the lane sends heartbeats until the block ends."""
    over, heartbeats = threading.Event(), api.parts.heartbeats

    def beat() -> None:
        while not over.is_set():
            sign = WorkerSign(lane, f"{lane}@here", 7, idle, busy, "t" if busy else None, 60.0, 30.0, "w")
            heartbeats.work(sign)
            over.wait(1)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        until(lambda: bool(heartbeats.read_signs().lane(lane)))
        yield
    finally:
        over.set()
        thread.join()


def test_a_lane_without_a_worker(api: Service) -> None:
    job_id = submit(api)

    wait = wait_of(api, job_id)

    assert wait["reason"] == "no-worker"
    assert "lane parse" in wait["message"]
    assert -60 < seconds_until(wait["since"]) <= 0
    assert (wait["place"], wait["starts_at"], wait["until"]) == (1, None, None)


def test_a_lane_whose_workers_hang(api: Service) -> None:
    job_id = submit(api)

    with alive(api, "parse", idle=300.0):
        assert wait_of(api, job_id)["reason"] == "worker-hung"


def test_a_bell_that_was_lost(api: Service) -> None:
    with alive(api, "parse"):
        job_id = submit(api)
        until(lambda: reason_of(api, job_id) == "bell")

        assert 0 < seconds_until(wait_of(api, job_id)["until"]) <= 6


def test_a_long_queue(api: Service) -> None:
    ids = [submit(api) for _ in range(20)]
    bounds = Bounds(jobs=1, size=1)
    (lease,) = api.parts.jobs.take(Stage.PARSE, lease_seconds=30, worker="w", bounds=bounds).leases

    with alive(api, "parse", busy=1.0):
        wait = wait_of(api, ids[-1])
        assert api.http.get(f"/v1/jobs/{lease.job.id}").json()["waiting_for"] is None

    assert (wait["reason"], wait["place"]) == ("queue", 19)
    assert wait["message"].startswith("18 jobs come before it")


def test_the_turn_of_another_key(api: Service) -> None:
    busy = [submit(api, owner="busy") for _ in range(5)]
    quiet = submit(api, owner="quiet")
    with alive(api, "parse", busy=1.0):
        last, first = wait_of(api, busy[-1]), wait_of(api, quiet)

    assert (last["reason"], last["place"]) == ("turn", 5)
    assert "number 5 of its key's jobs" in last["message"]
    assert (first["reason"], first["place"]) == ("turn", 2)


def test_a_vector_engine_that_is_away(api: Service, tools: Tools) -> None:
    job_id = submit(api, Stage.PURGE, JobKind.DELETE)
    before = time.time()

    def purge(run: Any) -> None:
        run.tools.vectors.ping()

    deliver_batch(tools, Stage.PURGE, purge)

    with alive(api, "maintenance"):
        wait = wait_of(api, job_id)
    assert wait["reason"] == "vector-engine"
    assert "vector engine" in wait["error"]
    assert before - 1 < datetime.fromisoformat(wait["since"]).timestamp() < time.time()
    assert 0 < seconds_until(wait["until"]) < 60
    assert wait["starts_at"] == wait["until"]


def test_a_vector_engine_of_which_no_searching_worker_hears(api: Service) -> None:
    job_id = submit(api, Stage.SEARCH, JobKind.QUERY)

    with alive(api, "rerank", busy=1.0):
        assert wait_of(api, job_id)["reason"] == "vector-engine"
        api.parts.heartbeats.beat(VECTORS, {})
        until(lambda: reason_of(api, job_id) == "queue")


def test_the_time_since_a_part_is_away_is_that_of_the_first_failed_attempt(
    api: Service, tools: Tools
) -> None:
    job_id = submit(api, Stage.PURGE, JobKind.DELETE)

    def fail(_: Any) -> None:
        raise Unavailable("the vector engine is away")

    with alive(api, "maintenance"):
        deliver_batch(tools, Stage.PURGE, fail)
        first = wait_of(api, job_id)
        with connect(tools.settings) as client:
            client.zadd("{aegis}:resting:purge", {job_id: 1})
        time.sleep(0.1)
        deliver_batch(tools, Stage.PURGE, fail)

        assert wait_of(api, job_id)["since"] == first["since"]
        assert wait_of(api, job_id)["until"] > first["until"]


class TestModelServer:
    @pytest.fixture
    def jina(self) -> Iterator[Jina]:
        with serving_jina(Jina()) as started, stamina.set_testing(True, attempts=1):
            yield started

    def asked(self, valkey: str, home: Path, url: str) -> Iterator[tuple[Service, Tools, str]]:
        settings = Settings(redis_url=valkey, aegis_home=home, jina_base_url=url, jina_api_key=KEY)
        with serving(settings) as api:
            yield api, Tools(settings), api.ask()

    def test_it_is_away(self, valkey: str, tmp_path: Path, tools: Tools) -> None:
        for api, own, job_id in self.asked(valkey, tmp_path, "http://127.0.0.1:9"):
            work_job(own, job_id)
            with alive(api, "embed-query"):
                wait = wait_of(api, job_id)

        assert wait["reason"] == "model-server"
        assert "127.0.0.1:9" in wait["error"]

    def test_it_limits_our_calls(self, valkey: str, tmp_path: Path, tools: Tools, jina: Jina) -> None:
        jina.behaviours += ["429:40"] * 4
        for api, own, job_id in self.asked(valkey, tmp_path, jina.url):
            work_job(own, job_id)
            with alive(api, "embed-query"):
                wait = wait_of(api, job_id)

        assert wait["reason"] == "rate-limit"
        assert 30 < seconds_until(wait["until"]) <= 40


def test_the_pause_before_another_attempt(api: Service, tools: Tools) -> None:
    job_id = submit(api)

    def fail(_: Any) -> None:
        raise RuntimeError("a defect")

    deliver_batch(tools, Stage.PARSE, fail)

    with alive(api, "parse"):
        wait = wait_of(api, job_id)
    assert wait["reason"] == "retry"
    assert 0 < seconds_until(wait["until"]) <= 10
    assert "RuntimeError" in wait["error"]


def test_an_older_backup_that_is_made_first(api: Service, tools: Tools) -> None:
    submit(api, Stage.SNAPSHOT, JobKind.BACKUP)
    younger = submit(api, Stage.SNAPSHOT, JobKind.BACKUP)

    work_job(tools, younger)

    with alive(api, "backup"):
        wait = wait_of(api, younger)
    assert (wait["reason"], wait["error"]) == ("other-job", None)
    assert "an older backup" in wait["message"]
    assert 0 < seconds_until(wait["until"]) <= 15


@pytest.mark.parametrize(("beats", "reason"), [(True, "deadline"), (False, "beat")])
def test_a_deadline_that_has_passed(api: Service, beats: bool, reason: str) -> None:
    job = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", {}, deadline=time.time() - 5)
    api.parts.jobs.accept(job)
    if beats:
        api.parts.heartbeats.tick("here", 7)

    assert wait_of(api, job.id)["reason"] == reason


def test_records_that_are_being_rebuilt_are_told_by_the_refusal(api: Service) -> None:
    job_id = submit(api)
    with connect(api.parts.settings) as client:
        client.delete("{aegis}:intact")

    answer = api.http.get(f"/v1/jobs/{job_id}")

    assert answer.status_code == 503
    assert "being rebuilt" in answer.json()["detail"]
    assert "Retry-After" in answer.headers


def test_a_broker_that_is_away_is_told_by_the_refusal(tmp_path: Path) -> None:
    with valkey_with("--appendonly", "yes") as broker:
        settings = Settings(redis_url=broker, aegis_home=tmp_path)
        with serving(settings) as api:
            job_id = submit(api)
            with connect(settings) as client:
                client.shutdown(nosave=True)

            answer = api.http.get(f"/v1/jobs/{job_id}")

            assert (answer.status_code, answer.json()["type"]) == (503, "urn:aegis:problem:unavailable")


class TestStoppedWorker:
    """SIGSTOP to a worker with its child process, in the middle of a stage."""

    def test_its_job_is_told_and_given_to_another_worker(self, valkey: str, tmp_path: Path) -> None:
        settings = Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=60)
        traps = Traps(tmp_path)
        with serving(settings) as api, sending_to(valkey):
            traps.set(PARSING, HOLD)
            answer = api.http.post("/v1/documents", json={"text": "The bell rings."}).raise_for_status()
            job_id = answer.json()["job_id"]
            with working("parse", valkey, tmp_path, LEASE_SECONDS="60") as stopped:
                until(lambda: traps.sprung(PARSING) is not None, 60)
                assert reason_of(api, job_id) is None, "a worker works it"
                os.killpg(stopped.process.pid, signal.SIGSTOP)
                self.let_renewals_be_missed(settings, job_id)
                until(lambda: reason_of(api, job_id) == "worker-gone", 30)
                assert wait_of(api, job_id)["until"] is None, "nobody is there to take it over"
                assert api.http.post("/v1/jobs/unstick").json()["done"] == []

                with working("parse", valkey, tmp_path, LEASE_SECONDS="60"):
                    until(lambda: wait_of(api, job_id)["until"] is not None)
                    (done,) = api.http.post("/v1/jobs/unstick").json()["done"]

                    assert job_id in done
                    until(lambda: api.http.get(f"/v1/jobs/{job_id}").json()["stage"] == "embed", 30)
        assert api.parts.jobs.statistics().stages[Stage.PARSE].recoveries == 1

    def let_renewals_be_missed(self, settings: Settings, job_id: str) -> None:
        """As if 50 of the 60 seconds of the lease had passed."""
        with connect(settings) as client:
            seen = float(client.hget(f"{{aegis}}:job:{job_id}", "seen"))
            client.hset(f"{{aegis}}:job:{job_id}", "seen", f"{seen - 50:.6f}")


class TestStuck:
    def test_what_waits_longer_than_usual_is_listed_by_reason(self, api: Service) -> None:
        old = [submit(api), submit(api)]
        submit(api)
        failing = submit(api, Stage.PURGE, JobKind.DELETE)
        (lease,) = api.parts.jobs.take(
            Stage.PURGE, lease_seconds=30, worker="w", bounds=Bounds(jobs=1, size=1)
        ).leases
        assert api.parts.jobs.requeue(lease, error=FAILED, delay=60)
        with connect(api.parts.settings) as client:
            for job_id in old:
                client.hset(f"{{aegis}}:job:{job_id}", "queued_at", time.time() - 100)
            client.hset(f"{{aegis}}:job:{failing}", "failing_since", time.time() - 200)

        api.parts.heartbeats.tick("here", 7)
        with alive(api, "maintenance"):
            groups = api.http.get("/v1/jobs/stuck").raise_for_status().json()["items"]

        assert [(each["reason"], each["count"]) for each in groups] == [
            ("no-worker", 2),
            ("vector-engine", 1),
        ]
        assert [job["id"] for job in groups[0]["jobs"]] == old
        assert all(each["to_do"] for each in groups)
        assert groups[1]["jobs"][0]["error"] == FAILED["detail"]

    def test_a_beat_that_is_not_there_is_listed_though_no_job_waits_for_it(self, api: Service) -> None:
        (group,) = api.http.get("/v1/jobs/stuck").json()["items"]

        assert (group["reason"], group["count"], group["jobs"]) == ("beat", 0, [])
        assert "no backup is begun" in group["to_do"]

    def test_usual_is_what_was_measured(self, api: Service) -> None:
        for _ in range(20):
            job_id = submit(api)
            with connect(api.parts.settings) as client:
                client.hset(f"{{aegis}}:job:{job_id}", "queued_at", time.time() - 250)
            api.parts.jobs.take(Stage.PARSE, lease_seconds=30, worker="w", bounds=Bounds(jobs=1, size=1))
        job_id = submit(api)
        with connect(api.parts.settings) as client:
            client.hset(f"{{aegis}}:job:{job_id}", "queued_at", time.time() - 600)

        listed = api.http.get("/v1/jobs/stuck").json()["items"]

        assert [each["reason"] for each in listed if each["reason"] == "no-worker"] == []

    def test_workers_are_told_again_of_a_job(
        self, api: Service, valkey: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with sending_to(valkey), alive(api, "parse"):
            job_id = submit(api)
            until(lambda: reason_of(api, job_id) == "bell")

            done = api.http.post("/v1/jobs/unstick").json()["done"]

            assert done == ["lane parse: its workers were told again that jobs are due"]
            with connect(api.parts.settings) as client:
                assert [key for key in client.scan_iter("{aegis}:queue:parse*") if client.llen(key)]

    def test_a_lease_that_was_renewed_meanwhile_is_not_ended(self, api: Service) -> None:
        submit(api)
        (lease,) = api.parts.jobs.take(
            Stage.PARSE, lease_seconds=30, worker="w", bounds=Bounds(jobs=1, size=1)
        ).leases
        job = api.parts.jobs.get(lease.job.id)
        assert job is not None
        assert api.parts.jobs.extend(lease, lease_seconds=30)

        assert not api.parts.jobs.abandon(job)

        assert api.parts.jobs.extend(lease, lease_seconds=30)


def test_the_estimated_begin_is_right_under_steady_load(api: Service) -> None:
    """One worker, jobs of .1 to .5 s. Until all have begun, the begin of any of them is asked for."""
    jobs, lengths = api.parts.jobs, random.Random(7)
    over, ids, estimates = threading.Event(), list[str](), list[tuple[str, float, float]]()

    def work() -> None:
        while not over.is_set():
            taken = jobs.take(Stage.PARSE, lease_seconds=30, worker="w", bounds=Bounds(jobs=1, size=1))
            for lease in taken.leases:
                time.sleep(lengths.uniform(0.1, 0.5))
                jobs.finish(lease, JobState.SUCCEEDED)

    worker = threading.Thread(target=work)
    with alive(api, "parse", busy=1.0):
        worker.start()
        ids += [submit(api) for _ in range(100)]
        deadline = time.monotonic() + 120
        while jobs.depth(Stage.PARSE):
            assert time.monotonic() < deadline
            job_id = lengths.choice(ids)
            wait = api.http.get(f"/v1/jobs/{job_id}").json()["waiting_for"]
            if wait and wait["starts_at"]:
                assert wait["estimate_error"] == ESTIMATE_ERROR
                begin = datetime.fromisoformat(wait["starts_at"]).timestamp()
                estimates.append((job_id, time.time(), begin))
            time.sleep(0.2)
        over.set()
        worker.join()

    started = {job_id: jobs.get(job_id).started_at for job_id in ids}  # type: ignore[union-attr]
    left = [(started[job_id] - asked_at, begin - asked_at) for job_id, asked_at, begin in estimates]
    errors = [abs(estimate - wait) / wait for wait, estimate in left if wait > 1.0]
    assert len(errors) > 30
    assert median(errors) <= ESTIMATE_ERROR
