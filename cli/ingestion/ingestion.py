"""Sends many documents and follows them together until they are searchable."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

from cli.client.client import Client
from cli.client.follower import Follower, JobEvent
from cli.ingestion.journal import Journal
from cli.ingestion.sending import ENDS_ALL, Sender, SenderPool, Sent
from cli.ingestion.sources import LocalFile, Omitted, Source
from rag.errors import AegisError
from rag.web.jsontypes import Json

UPLOADS_AT_ONCE = 4
AHEAD = 200
"""Documents that are sent or processed at once: one folder must not fill the API's queue."""

_TICK_SECONDS = 0.5
_LAST_ANSWERS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a source. ``job`` is None when it was not accepted; ``reason`` says why it failed.

    ``code``: the kind of failure, which is the end of a problem's ``type``.
    """

    source: Source | Omitted
    job: Json | None
    reason: str | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """The document's id, or the source's name where it has none yet."""
        return str(getattr(self.source, "document_id", None) or self.source.name)

    @property
    def result(self) -> Json:
        """The result of its job; empty before that has succeeded."""
        result: Json = (self.job or {}).get("result") or {}
        return result


class Watcher:
    """Is told how an ingestion proceeds."""

    def __init__(self, done: Callable[[Outcome], None] = lambda _: None) -> None:
        self._done = done

    def end(self, outcome: Outcome) -> None:
        """A source is finished, with this outcome."""
        self._done(outcome)

    def advance(self, source: Source, done: int, total: int) -> None:
        """``done`` of the document's ``total`` passages are embedded."""

    def tick(self) -> None:
        """Time has passed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``again``: also send what is there already; ``wait``: until all is searchable, not only accepted."""

    collection: str | None = None
    wait: bool = True
    again: bool = False


class Ingestion:
    """One run. After :meth:`run`, however it ended, ``outcomes`` and ``under_way`` tell its state."""

    def __init__(
        self, client: Client, plan: Plan, *, journal: Journal | None = None, watcher: Watcher | None = None
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.under_way: dict[str, Source] = {}
        """By job: accepted and not over."""
        self._client, self._plan = client, plan
        self._journal, self._watcher = journal or Journal.none(), watcher or Watcher()
        self._reports: SimpleQueue[Sent | JobEvent | Exception] = SimpleQueue()
        sender = Sender(client, plan.collection, self._journal, Event(), again=plan.again)
        self._senders = SenderPool(sender, self._reports.put, UPLOADS_AT_ONCE)
        self._follower = Follower(client)
        self._is_answered = False

    def run(self, sources: Iterable[Source]) -> None:
        """Send all sources and, if planned, wait until they are searchable.

        Raises the first error that all other sources would meet too, Transient when the API was silent for
        five minutes, and KeyboardInterrupt; jobs that were accepted go on.
        """

        def follow() -> None:
            try:
                for event in self._follower.events():
                    self._reports.put(event)
            except Exception as error:  # noqa: BLE001 - raised by the thread that takes the reports
                self._reports.put(error)

        # A daemon: it may wait for events when this process wants to end.
        Thread(target=follow, name="feed", daemon=True).start()
        try:
            self._work(_refuse_same_ids(sources))
        except BaseException:
            self._break_off()
            raise
        finally:
            self._senders.end()
            self._follower.close()

    @property
    def going_on(self) -> int:
        """How many documents the API has accepted without a known end."""
        accepted = (one for one in self.outcomes if one.job and not one.reason and not one.result)
        return len(self.under_way) + sum(1 for _ in accepted)

    def fail(self, omitted: Omitted) -> None:
        """Count a source that was asked for and cannot be sent."""
        if omitted.wanted:
            self._end(Outcome(omitted, None, omitted.reason, omitted.code))

    def _work(self, sources: Iterator[Source | Outcome]) -> None:
        while True:
            # The first source goes alone: when it is refused, no other is sent.
            most = AHEAD if self._is_answered else 1
            while (
                self._senders.open < most
                and self._senders.open + len(self.under_way) < AHEAD
                and (source := next(sources, None)) is not None
            ):
                if isinstance(source, Outcome):
                    self._end(source)
                else:
                    self._senders.give(source)
            if not self._senders.open and not self.under_way:
                return
            try:
                self._take(self._reports.get(timeout=_TICK_SECONDS))
            except Empty:
                self._watcher.tick()

    def _take(self, report: Sent | JobEvent | Exception) -> None:
        match report:
            case Sent():
                self._senders.open -= 1
                self._is_answered = True
                self._take_sent(report)
            case JobEvent() if report.job_id in self.under_way:
                self._take_event(report)
            case Exception():
                raise report

    def _take_sent(self, sent: Sent) -> None:
        match sent:
            case Sent(source, error=AegisError() as error) if not isinstance(error, ENDS_ALL):
                self._end(Outcome(source, None, str(error) or error.title, error.code))
            case Sent(source, error=OSError() as error):
                self._end(Outcome(source, None, error.strerror or str(error), "unread"))
            case Sent(error=AegisError() as error):
                raise error
            case Sent(source, error=Exception() as error):
                self._end(Outcome(source, None, f"{type(error).__name__}: {error}", "unforeseen"))
            case Sent(source, job_id=str(job_id)) if self._plan.wait:
                self.under_way[job_id] = source
                self._follower.add(job_id)
            case Sent(source, job_id=job_id, result=result):
                self._end(Outcome(source, {"job_id": job_id, "id": job_id, "result": result}))

    def _take_event(self, event: JobEvent) -> None:
        if event.kind == "progress":
            self._watcher.advance(self.under_way[event.job_id], event.data["done"], event.data["total"])
        if not event.is_last:
            return
        source, data = self.under_way.pop(event.job_id), event.data
        job: Json = {"id": event.job_id, "job_id": event.job_id, "result": None}
        if event.kind == "result":
            version = data.get("version", 0)
            # Only what searches find now is recorded: another upload may have superseded this one.
            if source.mark and version and not data.get("superseded"):
                self._journal.finish(source.document_id or source.name, source.mark, event.job_id, version)
            self._end(Outcome(source, {**job, "result": data}))
        elif event.kind == "error":
            reason = str(data.get("detail") or data.get("title") or "no reason was given")
            self._end(Outcome(source, job, reason, str(data.get("type", "")).rpartition(":")[2]))
        else:
            self._end(Outcome(source, job, "it was cancelled", "cancelled"))

    def _end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._watcher.end(outcome)

    def _break_off(self) -> None:
        """Begin nothing more, and wait a moment for the answers to what is being sent."""
        self._senders.end()
        self._client.stop()
        until = monotonic() + _LAST_ANSWERS_SECONDS
        with suppress(Empty, KeyboardInterrupt):
            while self._senders.open and (left := until - monotonic()) > 0:
                report = self._reports.get(timeout=left)
                if isinstance(report, Sent):
                    self._senders.open -= 1
                    if report.job_id is not None:
                        self.under_way[report.job_id] = report.source


def ingest(
    client: Client,
    files: Iterable[Source],
    collection: str | None,
    *,
    wait: bool,
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """A run without a journal; ``done`` takes each outcome. Raises what :meth:`Ingestion.run` does."""
    ingestion = Ingestion(client, Plan(collection, wait=wait), watcher=Watcher(done))
    ingestion.run(files)
    return ingestion.outcomes


def _refuse_same_ids(sources: Iterable[Source]) -> Iterator[Source | Outcome]:
    """Of two sources with one id the second is refused: it would replace the first. A file comes once."""
    seen: dict[str, Source] = {}
    for source in sources:
        name = source.document_id or source.name
        first = seen.setdefault(name, source)
        if first is source:
            yield source
            continue
        same = first.name == source.name
        if isinstance(first, LocalFile) and isinstance(source, LocalFile):
            with suppress(OSError):
                same = first.path.samefile(source.path)
        if not same:
            reason = f"{first.name} has the same document id {name!r}: name a folder above both"
            yield Outcome(source, None, reason, "same-id")
