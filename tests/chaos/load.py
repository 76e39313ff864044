"""Mixed work from several clients: documents small and large, replacements, deletions, questions."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from random import Random
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from tests.chaos.caller import Caller, NoAnswerError
from tests.chaos.ledger import Check, Edition, JobPage, Ledger, Promise
from tests.chaos.texts import FACTS, SLICE, Fact, chunks_of, document

LIBRARY = "chaos-library"
WRITERS = 4

_PACE_SECONDS = 0.15
_STEADY_PACE_SECONDS = 2.0  # once there are jobs enough, however long the stack is hurt
_CANCELLED_WITHIN_SECONDS = 3.0
_IN_BATCH = 5
_OPERATIONS = (
    *("small",) * 3, "large", *("replace",) * 2, *("ask",) * 3, *("delete",) * 2, "cancel", "batch",
)  # fmt: skip


def stock(url: str) -> None:
    """Put the library there that questions are asked about."""
    ledger = Ledger(collection=LIBRARY)
    caller = Caller(url, ledger)
    for fact in FACTS:
        body = {"text": fact.text, "document_id": fact.document_id, "collection": LIBRARY}
        job = caller.finished(caller.submit("/v1/documents", body)["job_id"])
        assert job is not None
        assert job["state"] == "succeeded", job
    assert ledger.violations == []


@dataclass(frozen=True, slots=True)
class Scale:
    """How hard a stack is attacked.

    ``jobs`` are submitted at least in a run, the broker is frozen for ``frozen_seconds``, and
    ``settings`` shorten the stack's times.
    """

    jobs: int
    frozen_seconds: float
    settings: Mapping[str, str]


class Load:
    """``scale.jobs`` jobs at least, and more until the block ends; entering starts, leaving waits for it."""

    def __init__(self, url: str, ledger: Ledger, scale: Scale, seed: int) -> None:
        self.ledger = ledger
        self.frozen_seconds = scale.frozen_seconds
        self._url = url
        self._least = scale.jobs
        self._enough = Event()
        self._reader = Reader(self, url)
        writers = [Writer(self, url, Random(seed * 100 + n), n) for n in range(WRITERS)]
        self._writing = [Thread(target=writer.run, daemon=True) for writer in writers]
        self._reading = Thread(target=self._reader.run, daemon=True)

    def __enter__(self) -> Self:
        for thread in (*self._writing, self._reading):
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        if error is not None:
            self._least = 0
        for writer in self._writing:
            writer.join()
        self._reader.over.set()
        self._reading.join()

    def goes_on(self) -> bool:
        """Whether a writer shall submit one more; paces them."""
        if len(self.ledger.promises) < self._least:
            self._reader.over.wait(_PACE_SECONDS)
            return True
        return not self._enough.wait(_STEADY_PACE_SECONDS)

    def goes_on_for(self, seconds: float) -> None:
        """Return after so long, or when the load has ended."""
        self._reader.over.wait(seconds)

    def one_more(self) -> None:
        """Submit a document at once, whatever the others wait for."""
        writer = Writer(self, self._url, Random(0), len(self._writing))
        self._writing.append(Thread(target=writer.run_once, daemon=True))
        self._writing[-1].start()

    def reached(self, share: float) -> Callable[[], bool]:
        """A condition: that share of the jobs is accepted."""
        return lambda: len(self.ledger.promises) >= share * self._least


class Reader:
    """Looks around all the time, as consoles and dashboards do."""

    def __init__(self, load: Load, url: str) -> None:
        self.over = Event()
        self._ledger = load.ledger
        self._caller = Caller(url, load.ledger)

    def run(self) -> None:
        with suppress(NoAnswerError), closing(self._caller):  # noted in the ledger
            while not self.over.wait(_PACE_SECONDS):
                self._look()

    def _look(self) -> None:
        for job_id in list(self._ledger.promises)[-1:]:
            self._caller.call("GET", f"/v1/jobs/{job_id}", {200})
        self._caller.call("GET", "/v1/jobs", {200}, params={"limit": 5})
        self._caller.call("GET", "/v1/collections", {200})


class Writer:
    """Submits one thing after the other; its documents are its own, so that their order is known."""

    def __init__(self, load: Load, url: str, random: Random, number: int) -> None:
        self._load = load
        self._ledger = load.ledger
        self._caller = Caller(url, load.ledger)
        self._random = random
        self._number = number
        self._editions: dict[str, int] = {}
        self._last_jobs: dict[str, str] = {}
        self._drafts = 0

    def run(self) -> None:
        with suppress(NoAnswerError), closing(self._caller):  # noted in the ledger
            while self._load.goes_on():
                getattr(self, f"_{self._random.choice(_OPERATIONS)}")()

    def run_once(self) -> None:
        with suppress(NoAnswerError), closing(self._caller):  # noted in the ledger
            self._small()

    def _small(self) -> None:
        self._ingest(f"note-{self._number}-{len(self._editions)}", self._random.randint(1, 3))

    def _batch(self) -> None:
        """Several documents in one call: what it promises is whole, whatever dies meanwhile."""
        editions = {}
        for number in range(_IN_BATCH):
            document_id = f"sheet-{self._number}-{len(self._editions)}-{number}"
            text = document(document_id, 1, self._random.randint(1, 3))
            editions[document_id] = Edition(text, chunks_of(text))
        bodies = [
            {"text": edition.text, "document_id": document_id, "collection": self._ledger.collection}
            for document_id, edition in editions.items()
        ]
        for job in self._caller.submit_all(bodies):
            document_id, edition = job["document_id"], editions[job["document_id"]]
            self._editions[document_id] = 1
            check = self._ingested(document_id, 1, edition.chunks)
            self._ledger.promise(Promise(job["job_id"], "ingest", check))
            self._ledger.shows(document_id, edition)
            self._last_jobs[document_id] = job["job_id"]

    def _large(self) -> None:
        self._ingest(f"book-{self._number}-{len(self._editions)}", SLICE + self._random.randint(1, 20))

    def _replace(self) -> None:
        if self._editions:
            self._ingest(self._random.choice(sorted(self._editions)), self._random.randint(1, 4))

    def _ask(self) -> None:
        fact = self._random.choice(FACTS)
        body = {"question": fact.question, "collection": LIBRARY, "cache": False}  # every stage is attacked
        job_id = self._caller.submit("/v1/queries", body)["job_id"]
        self._ledger.promise(Promise(job_id, "query", answers(fact)))

    def _delete(self) -> None:
        """A document that is there: the call knows only those, and none of those on their way."""
        if not self._last_jobs:
            return
        document_id = next(iter(self._last_jobs))
        self._caller.finished(self._last_jobs.pop(document_id))
        answer = self._caller.call(
            "DELETE",
            f"/v1/documents/{document_id}",
            {202, 404},
            params={"collection": self._ledger.collection},
        )
        self._ledger.hides(document_id)
        if answer.is_success:
            self._ledger.promise(Promise(answer.json()["job_id"], "delete", lambda _job: None))
        elif not self._caller.repeated:
            self._ledger.violation(f"DELETE {document_id}: 404 though it was there")

    def _cancel(self) -> None:
        """An ingestion, which may be over before it is told to stop."""
        self._drafts += 1
        document_id = f"draft-{self._number}-{self._drafts}"
        text = document(document_id, 1, self._random.choice((3, SLICE + 5)))
        edition = Edition(text, chunks_of(text))
        body = {"text": text, "document_id": document_id, "collection": self._ledger.collection}
        job_id = self._caller.submit("/v1/documents", body)["job_id"]
        self._ledger.may_show(document_id, edition)
        ends = frozenset({"succeeded", "cancelled"})
        self._ledger.promise(Promise(job_id, "ingest", shown(self._ledger, document_id, edition), ends))
        self._load.goes_on_for(self._random.uniform(0, _CANCELLED_WITHIN_SECONDS))
        self._caller.call("DELETE", f"/v1/jobs/{job_id}", {202, 409})

    def _ingest(self, document_id: str, paragraphs: int) -> None:
        edition = self._editions[document_id] = self._editions.get(document_id, 0) + 1
        text = document(document_id, edition, paragraphs)
        chunks = chunks_of(text)
        body = {"text": text, "document_id": document_id, "collection": self._ledger.collection}
        job_id = self._caller.submit("/v1/documents", body)["job_id"]
        self._ledger.promise(Promise(job_id, "ingest", self._ingested(document_id, edition, chunks)))
        self._ledger.shows(document_id, Edition(text, chunks))
        self._last_jobs.pop(document_id, None)
        self._last_jobs[document_id] = job_id

    def _ingested(self, document_id: str, edition: int, chunks: int) -> Check:
        """As :func:`ingested`; one that a later edition overtook may have nothing left to count."""

        def check(job: JobPage) -> str | None:
            overtaken = self._editions[document_id] > edition and job["result"].get("superseded")
            return None if overtaken else ingested(document_id, chunks)(job)

        return check


def ingested(document_id: str, chunks: int) -> Check:
    def check(job: JobPage) -> str | None:
        found = job["result"].get("document_id"), job["result"].get("chunks")
        return None if found == (document_id, chunks) else f"ingested {found}, not {(document_id, chunks)}"

    return check


def shown(ledger: Ledger, document_id: str, edition: Edition) -> Check:
    """As :func:`ingested`, and the document is to be seen."""

    def check(job: JobPage) -> str | None:
        ledger.shows(document_id, edition)
        return ingested(document_id, edition.chunks)(job)

    return check


def answers(fact: Fact) -> Check:
    def check(job: JobPage) -> str | None:
        result: dict[str, Any] = job["result"]
        best = result["hits"][0]["document_id"] if result["hits"] else None
        if best == fact.document_id and fact.answer in (result["answer"] or ""):
            return None
        return f"asked {fact.question!r}, found {best}: {result['answer']!r}"

    return check
