"""A worker is killed between a mail and the jobs of its attachments, and while it reads one of them."""

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rag.media import EML
from rag.model import Job, JobState, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import lane_of
from tasks.publishing.bells import announce
from tasks.submit.submissions import Ingestion, Submissions, Upload
from tests.chaos.faults.traps import HOLD, PAUSE, Traps
from tests.deliveries import end_lease, finished, job_of, step
from tests.documents.scans import encoded, page
from tests.integration.conftest import send_to
from tests.integration.vectorengine import Engine
from tests.integration.workerprocess import working
from tests.system.running import until
from workers.embedding.build import build
from workers.tools import Tools

pytestmark = pytest.mark.timeout(600)
COLLECTION, MAIL = "post", "offer.eml"
PRICES, TERMS, SCAN = (f"{MAIL}/{name}" for name in ("prices.txt", "terms.md", "scan.png"))
FILES = {
    PRICES: b"The winch costs 425 crowns.",
    TERMS: b"# Terms\n\nDelivery takes nine weeks.",
    SCAN: encoded(page("The lamp of the pier is green.", 150).convert("L")),
}
PATIENCE = 120.0  # seconds, on a machine that is busy with other tests


@pytest.fixture
def home() -> Iterator[Path]:
    """Short enough for a socket's path."""
    with TemporaryDirectory(prefix="aegis-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def tools(valkey: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    send_to(monkeypatch, valkey)
    settings = Settings(redis_url=valkey, aegis_home=home)
    build(settings.model_dir, lambda line: None)
    built, engine = Tools(settings), Engine(home)
    app.import_tasks()
    app.toolbox = built
    try:
        yield built
    finally:
        built.parser.close()
        built.recogniser.close()
        engine.killed()


def submitted(tools: Tools, *document_ids: str) -> str:
    """The job of a mail with these attachments."""
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@example.org", "Offer"
    mail.set_content("Our offer is attached.")
    for document_id in document_ids:
        name = document_id.removeprefix(f"{MAIL}/")
        mail.add_attachment(FILES[document_id], "application", "octet-stream", filename=name)
    data = mail.as_bytes()
    upload = Upload(BytesIO(data), len(data), "1", MAIL, EML)
    desk = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
    return desk.ingest(Ingestion(upload, COLLECTION, MAIL)).job.id


def until_stage(tools: Tools, job_id: str, stage: Stage) -> Job:
    while job_of(tools, job_id).stage is not stage:
        step(tools, job_id)
    return job_of(tools, job_id)


def killed_before(tools: Tools, job: Job, calls: Sequence[str]) -> None:
    """Have a worker of the job's lane come to each of these calls in turn, and kill it before the last."""
    lane, settings = lane_of(job.stage).name, tools.settings
    traps = Traps(settings.home)
    points = [f"{lane}.{call}" for call in calls]
    deeds = [*[PAUSE] * len(calls[1:]), HOLD]
    traps.set(points[0], deeds[0])
    with working(lane, str(settings.records_url), settings.home):
        announce(job)
        for point, following, deed in zip(points, points[1:], deeds[1:], strict=False):
            until(lambda point=point: traps.sprung(point) is not None, PATIENCE)
            traps.set(following, deed)
            traps.release(point)
        until(lambda: traps.sprung(points[-1]) is not None, PATIENCE)
    end_lease(tools, job.id)


def coming(tools: Tools, *document_ids: str) -> list[str]:
    return [job for name in document_ids for job in tools.jobs.coming_of(COLLECTION, name)]


def present(tools: Tools) -> dict[str, str]:
    """The documents there are, and what each was attached to."""
    listed = tools.documents.page(COLLECTION, cursor=None, limit=99)
    return {document.document_id: document.parent for document in listed.items}


def passages(tools: Tools) -> int:
    return tools.vectors.count(f"{COLLECTION}-1")


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(["next_version"], id="before the first"),
        pytest.param(["accept"], id="as the first is handed in"),
        pytest.param(["accept", "next_version"], id="between the first and the second"),
        pytest.param(["accept", "next_version", "accept"], id="as the second is handed in"),
        pytest.param(["finish"], id="behind the last"),
    ],
)
def test_a_mail_whose_worker_dies_between_it_and_its_attachments_has_each_of_them_once(
    tools: Tools, calls: list[str]
) -> None:
    mail = until_stage(tools, submitted(tools, PRICES, TERMS), Stage.INDEX)

    killed_before(tools, mail, calls)

    assert present(tools) == {MAIL: ""}, "the mail was published before its worker died"
    handed_in = coming(tools, PRICES, TERMS)
    ended = finished(tools, mail.id)
    assert (ended.state, (ended.result or {})["attachments"]) == (JobState.SUCCEEDED, [PRICES, TERMS])
    jobs = coming(tools, PRICES, TERMS)
    assert len(jobs) == 2
    assert set(handed_in) <= set(jobs), "what was handed in before is not handed in again"
    assert [finished(tools, job).state for job in jobs] == [JobState.SUCCEEDED] * 2
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}
    assert passages(tools) == 3


def test_a_mail_whose_worker_dies_while_it_takes_the_files_out_has_them_once(tools: Tools) -> None:
    job_id = submitted(tools, PRICES, TERMS)

    killed_before(tools, job_of(tools, job_id), ["attachments"])

    assert present(tools) == {}
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    jobs = coming(tools, PRICES, TERMS)
    assert [finished(tools, job).state for job in jobs] == [JobState.SUCCEEDED] * 2
    assert present(tools) == {MAIL: "", PRICES: MAIL, TERMS: MAIL}
    assert passages(tools) == 3


@pytest.mark.parametrize(
    ("attached", "stage", "call"),
    [
        (PRICES, Stage.PARSE, "cut"),
        (SCAN, Stage.RECOGNISE, "cut"),
        (SCAN, Stage.RECOGNISE, "advance"),
        (PRICES, Stage.INDEX, "publish"),
        (PRICES, Stage.INDEX, "finish"),
    ],
    ids=["parse", "ocr", "behind ocr", "before it is published", "behind it"],
)
def test_an_attachment_whose_worker_dies_is_read_once_and_belongs_to_its_mail(
    tools: Tools, attached: str, stage: Stage, call: str
) -> None:
    assert finished(tools, submitted(tools, attached)).state is JobState.SUCCEEDED
    (job_id,) = coming(tools, attached)

    killed_before(tools, until_stage(tools, job_id, stage), [call])

    assert coming(tools, attached) in ([job_id], []), "no other job brings it"
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert present(tools) == {MAIL: "", attached: MAIL}
    assert passages(tools) == 2
