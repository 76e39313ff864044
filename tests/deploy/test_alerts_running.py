"""Alerts are raised: a real Prometheus asks a real API, at which the trouble of each is made."""

import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import trustme

from rag.backups.status import BackupStatus
from rag.model import JobKind, JobState, NewJob, Stage
from rag.naming import new_id
from rag.redis.connection import connect_to
from rag.redis.heartbeats import Heartbeats, WorkerSign
from tests.alertrules import rule_files
from tests.chaos.requirements import small_disk
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import declare_intact
from tests.integration.redisservers import QUOTED, Server, behind_tls, server
from tests.prometheusserver import Prometheus, prometheus
from tests.servicestub import listening
from tests.system.running import until

pytestmark = pytest.mark.timeout(400)

HOUR, DAY = 3600.0, 86400.0
ALERTS = {rule["alert"] for file in rule_files() for rule in file.rules()}
ONLY_BY_PROMTOOL = {
    "AegisIngestionsWait": "takes half an hour",
    "AegisBackupUnproven": "is of backups without a proof, which those of the other alerts have",
}
"""What no test here raises, and why; tests over made-up figures do."""

BACKUPS: dict[str, tuple[JobKind, dict[str, Any]]] = {
    "AegisBackupTooOld": (JobKind.BACKUP, {"ago": 1.2 * HOUR}),
    "AegisPointsLost": (JobKind.BACKUP, {"ago": 1.2 * HOUR, "lacking": 3}),
    "AegisBackupUnverified": (JobKind.VERIFY, {"ago": 3 * DAY}),
    "AegisRestoreUnrehearsed": (JobKind.REHEARSE, {"ago": 10 * DAY}),
    "AegisRestoreTooSlow": (JobKind.REHEARSE, {"ago": 10 * DAY, "seconds": 5 * HOUR}),
    "AegisBackupsNotPruned": (JobKind.PRUNE, {"ago": 4 * DAY}),
    "AegisBackupFailed": (JobKind.BACKUP, {"ok": False}),
    "AegisBackupVerificationFailed": (JobKind.VERIFY, {"ok": False}),
    "AegisRestoreRehearsalFailed": (JobKind.REHEARSE, {"ok": False}),
    "AegisBackupPruneFailed": (JobKind.PRUNE, {"ok": False}),
}
"""The results of jobs, one after the other, and the alerts that they raise."""

NOBODY_WORKS = {
    "AegisBeatSilent", "AegisBackupLaneEmpty", "AegisNoBackup", "AegisLaneWithoutWorker",
    "AegisQuestionsWait", "AegisQueueNearlyFull", "AegisWorkerDeaf",
}  # fmt: skip
AWAY = {
    "AegisBrokerDown", "AegisBrokerAway", "AegisCannotQueue", "AegisApiFails",
    "AegisErrorBudgetBurnsFast", "AegisErrorBudgetBurnsSlowly",
}  # fmt: skip
OTHERS = {
    "AegisDeadLettersGrow", "AegisQueueStuck", "AegisTargetDown", "AegisAway", "AegisDependencyAway",
    "AegisBrokerMemoryHigh", "AegisDiskNearlyFull", "AegisCertificateEnds",
}  # fmt: skip
MADE = {*BACKUPS, *NOBODY_WORKS, *AWAY, *OTHERS}


@dataclass(frozen=True)
class Installation:
    """An API over a broker of its own; a stub stands for a worker's page of figures."""

    api: Service
    broker: Server
    heartbeats: Heartbeats
    status: BackupStatus
    prometheus: Prometheus
    stop_api: Callable[[], None]

    def submit(self, kind: JobKind, stage: Stage) -> str:
        return self.api.parts.jobs.accept(NewJob(new_id(), kind, stage, "c", {})).job.id

    def until_firing(self, *alerts: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + 90
        while lacking := set(alerts) - self.prometheus.firing().keys():
            assert time.monotonic() < deadline, f"never fired: {sorted(lacking)}"
            meanwhile()
            time.sleep(0.5)


@contextmanager
def installing(
    folder: Path, home: Path | None = None, *, tls: bool = False, seconds: int = 1
) -> Iterator[Installation]:
    """``tls``: so the broker is reached; its certificate ends in five days. ``seconds``: between scrapes."""
    with ExitStack() as stack:
        broker = stack.enter_context(server(folder))
        url = f"redis://:{QUOTED}@127.0.0.1:{broker.port}/0"
        client = stack.enter_context(connect_to(url))
        declare_intact(client)
        secured = stack.enter_context(_secured(folder, broker.port)) if tls else {"redis_url": url}
        settings = settings_of(url, home or folder / "home", max_open_queries=2, **secured)
        api_alone = stack.enter_context(ExitStack())
        api = api_alone.enter_context(serving(settings))
        worker = stack.enter_context(listening())
        targets = {"aegis": [api.url.removeprefix("http://").rstrip("/")], "aegis-workers": [worker.address]}
        told = stack.enter_context(prometheus(folder, targets, seconds=seconds))
        until(lambda: told.figure('up{job="aegis"}') == 1, 60)
        yield Installation(api, broker, Heartbeats(client), BackupStatus(client), told, api_alone.close)


@contextmanager
def _secured(folder: Path, port: int) -> Iterator[dict[str, Any]]:
    """Settings of the broker at ``port`` by TLS."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=5)).configure_cert(context)
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    with behind_tls(port, context) as encrypted:
        yield {"redis_url": f"rediss://:{QUOTED}@localhost:{encrypted}/0", "redis_ca_file": file}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installing(tmp_path_factory.mktemp("installation")) as made:
        yield made


@pytest.fixture
def own_installation(tmp_path: Path) -> Iterator[Installation]:
    with installing(tmp_path) as made:
        yield made


@contextmanager
def beating(heartbeats: Heartbeats, lane: str) -> Iterator[None]:
    """A worker of the lane says that it takes tasks, and takes none."""
    over = Event()
    sign = WorkerSign(lane, f"{lane}@here", 1, idle=0, busy=None, task=None, limit=60, silence=30)

    def beat() -> None:
        while not over.wait(1):
            heartbeats.work(sign)

    thread = Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_each_alert_is_raised_here_or_has_a_reason() -> None:
    assert MADE | ONLY_BY_PROMTOOL.keys() == ALERTS
    assert not MADE & ONLY_BY_PROMTOOL.keys()


def test_what_is_amiss_with_backups_alerts(installation: Installation) -> None:
    for kind, result in BACKUPS.values():
        at = time.time() - result.get("ago", 60)
        told = {"at": at, "backup": "1", "ok": True, "seconds": 2.0, "bytes": 3, "lacking": 0}
        installation.status.note(kind, {**told, **result})

    installation.until_firing(*BACKUPS)


def test_an_installation_in_which_nobody_works_alerts(own_installation: Installation) -> None:
    for _ in range(2):
        own_installation.submit(JobKind.QUERY, Stage.EMBED_QUERY)

    own_installation.until_firing(*NOBODY_WORKS)


def test_a_worker_that_takes_none_of_the_jobs_alerts(installation: Installation) -> None:
    installation.submit(JobKind.INGEST, Stage.PARSE)

    with beating(installation.heartbeats, "parse"):
        installation.until_firing("AegisQueueStuck")


def test_a_job_that_is_given_up_alerts(installation: Installation) -> None:
    until(lambda: installation.prometheus.figure('aegis_jobs{state="dead"}') == 0, 60)
    job_id = installation.submit(JobKind.INGEST, Stage.INDEX)
    lease = installation.api.begin(job_id)

    assert installation.api.parts.jobs.finish(lease, JobState.DEAD, error={"type": "unavailable"})

    installation.until_firing("AegisDeadLettersGrow")


def test_an_engine_that_no_worker_reaches_alerts(installation: Installation) -> None:
    with beating(installation.heartbeats, "rerank"):
        installation.until_firing("AegisDependencyAway")


def test_a_broker_that_is_nearly_full_alerts(installation: Installation) -> None:
    with closing(installation.broker.client()) as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / 0.78))
        try:
            installation.until_firing("AegisBrokerMemoryHigh")
        finally:
            client.config_set("maxmemory", 0)


def test_a_disk_that_is_nearly_full_alerts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk, installing(tmp_path, disk) as made:
        (disk / "large").write_bytes(bytes(60 << 20))

        made.until_firing("AegisDiskNearlyFull")


def test_a_certificate_that_ends_in_five_days_alerts(tmp_path: Path) -> None:
    with installing(tmp_path, tls=True) as made:
        made.until_firing("AegisCertificateEnds")


def test_the_loss_of_the_broker_and_then_of_the_api_alerts(tmp_path: Path) -> None:
    with ExitStack() as stack:
        # Without its broker the API takes some seconds to tell its figures.
        made = stack.enter_context(installing(tmp_path, seconds=5))
        made.api.ask()

        made.broker.process.send_signal(signal.SIGSTOP)  # connections are taken, and nothing is answered
        made.until_firing("AegisBrokerDown")

        made.broker.kill()
        made.api.parts.publisher.prove()
        made.until_firing(*AWAY, meanwhile=lambda: fail(made))

        made.stop_api()
        made.until_firing("AegisTargetDown", "AegisAway")


def fail(installation: Installation) -> None:
    """A submit is answered by 503."""
    answer = installation.api.http.post("/v1/documents", json={"text": "Lost."})
    assert answer.status_code == 503, answer.text
