"""Documents brought in and followed until they are searchable, all at once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

from cli.client import Client
from cli.follower import Follower, Told
from cli.journal import Journal
from cli.sending import ENDS_ALL, Delivery, Senders, Sent
from cli.sources import Found, Omitted, Source
from rag.errors import AegisError
from rag.jsontypes import Json

UPLOADS_AT_ONCE = 4
AHEAD = 200
"""Documents that are on their way at once, so that one folder does not fill the queue."""

_TICK_SECONDS = 0.5
_LAST_ANSWERS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a source. ``job`` is None when it was not accepted, ``reason`` why it failed.

    ``code``: the sort of failure, as a problem's ``type`` ends.
    """

    found: Source | Omitted
    job: Json | None
    reason: str | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """The document's id, or what was named where it has none yet."""
        return str(getattr(self.found, "document_id", None) or self.found.name)

    @property
    def result(self) -> Json:
        """Of its job; nothing before that is over."""
        result: Json = (self.job or {}).get("result") or {}
        return result


class Watcher:
    """Is told how an ingestion goes."""

    def __init__(self, done: Callable[[Outcome], None] = lambda _: None) -> None:
        self._done = done

    def end(self, outcome: Outcome) -> None:
        """A source is done with."""
        self._done(outcome)

    def advance(self, source: Source, done: int, total: int) -> None:
        """So many of its passages are embedded."""

    def tick(self) -> None:
        """Time has passed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``again``: send also what is there already; ``wait``: until all is searchable, not only accepted."""

    collection: str | None = None
    wait: bool = True
    again: bool = False


class Ingestion:
    """One run. After :meth:`run`, however it ended, ``outcomes`` and ``under_way`` tell where things are."""

    def __init__(
        self, client: Client, plan: Plan, *, journal: Journal | None = None, watcher: Watcher | None = None
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.under_way: dict[str, Source] = {}
        """By job: accepted and not over."""
        self._client, self._plan = client, plan
        self._journal, self._watcher = journal or Journal.none(), watcher or Watcher()
        self._heard: SimpleQueue[Sent | Told | Exception] = SimpleQueue()
        delivery = Delivery(client, plan.collection, self._journal, Event(), again=plan.again)
        self._senders = Senders(delivery, self._heard.put, UPLOADS_AT_ONCE)
        self._feed = Follower(client)
        self._is_answered = False

    def run(self, sources: Iterable[Source]) -> None:
        """Bring all of them in.

        Raises the first refusal that would meet all others too, Transient when nothing was heard of the
        API for five minutes, and KeyboardInterrupt; jobs that were accepted go on.
        """
        Thread(target=self._listen, name="feed", daemon=True).start()
        try:
            self._bring(_distinct(sources))
        except BaseException:
            self._break_off()
            raise
        finally:
            self._senders.end()
            self._feed.close()

    @property
    def going_on(self) -> int:
        """How many documents the API has accepted, of which nobody has heard the end."""
        accepted = (one for one in self.outcomes if one.job and not one.reason and not one.result)
        return len(self.under_way) + sum(1 for _ in accepted)

    def fail(self, omitted: Omitted) -> None:
        """Count what was asked for and cannot be sent."""
        if omitted.wanted:
            self._end(Outcome(omitted, None, omitted.reason, omitted.code))

    def _bring(self, sources: Iterator[Source | Outcome]) -> None:
        while True:
            while self._has_room() and (source := next(sources, None)) is not None:
                if isinstance(source, Outcome):
                    self._end(source)
                else:
                    self._senders.give(source)
            if not self._senders.open and not self.under_way:
                return
            try:
                self._take(self._heard.get(timeout=_TICK_SECONDS))
            except Empty:
                self._watcher.tick()

    def _has_room(self) -> bool:
        """The first goes alone: when it is refused, no other is."""
        most = 2 * UPLOADS_AT_ONCE if self._is_answered else 1
        return self._senders.open < most and self._senders.open + len(self.under_way) < AHEAD

    def _take(self, heard: Sent | Told | Exception) -> None:
        match heard:
            case Sent():
                self._senders.open -= 1
                self._is_answered = True
                self._take_sent(heard)
            case Told():
                self._take_told(heard)
            case _:
                raise heard

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
                self._feed.add(job_id)
            case Sent(source, job_id=job_id, result=result):
                self._end(Outcome(source, {"job_id": job_id, "id": job_id, "result": result}))

    def _take_told(self, told: Told) -> None:
        if told.kind == "progress" and told.job_id in self.under_way:
            self._watcher.advance(self.under_way[told.job_id], told.data["done"], told.data["total"])
        elif told.is_last and told.job_id in self.under_way:
            self._end(self._outcome(self.under_way.pop(told.job_id), told))

    def _outcome(self, source: Source, told: Told) -> Outcome:
        job = {"id": told.job_id, "job_id": told.job_id, "result": None}
        if told.kind == "result":
            version = told.data.get("version", 0)
            if source.mark and version and not told.data.get("superseded"):
                self._journal.finish(source.document_id or source.name, source.mark, told.job_id, version)
            return Outcome(source, {**job, "result": told.data})
        if told.kind == "error":
            problem = told.data
            reason = str(problem.get("detail") or problem.get("title") or "no reason was given")
            return Outcome(source, job, reason, str(problem.get("type", "")).rpartition(":")[2])
        return Outcome(source, job, "it was cancelled", "cancelled")

    def _end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._watcher.end(outcome)

    def _listen(self) -> None:
        try:
            for told in self._feed.events():
                self._heard.put(told)
        except Exception as error:  # noqa: BLE001 - raised by the thread that takes what was heard
            self._heard.put(error)

    def _break_off(self) -> None:
        """Begin nothing more, and hear what became of what is being sent, for a moment."""
        self._senders.end()
        self._client.stop()
        until = monotonic() + _LAST_ANSWERS_SECONDS
        with suppress(Empty, KeyboardInterrupt):
            while self._senders.open and (left := until - monotonic()) > 0:
                heard = self._heard.get(timeout=left)
                if isinstance(heard, Sent):
                    self._senders.open -= 1
                    if heard.job_id is not None:
                        self.under_way[heard.job_id] = heard.source


def ingest(
    client: Client,
    files: Iterable[Source],
    collection: str | None,
    *,
    wait: bool,
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """A run that nobody remembers; ``done`` hears of each source. Raises what :meth:`Ingestion.run` does."""
    ingestion = Ingestion(client, Plan(collection, wait=wait), watcher=Watcher(done))
    ingestion.run(files)
    return ingestion.outcomes


def _distinct(sources: Iterable[Source]) -> Iterator[Source | Outcome]:
    """Of two with one id the second is refused, lest it silently replaces the first; a file comes once."""
    seen: dict[str, Source] = {}
    for source in sources:
        name = source.document_id or source.name
        first = seen.setdefault(name, source)
        if first is source:
            yield source
        elif not _is_same(first, source):
            reason = f"{first.name} has the same document id {name!r}: name a folder above both"
            yield Outcome(source, None, reason, "same-id")


def _is_same(first: Source, second: Source) -> bool:
    if isinstance(first, Found) and isinstance(second, Found):
        with suppress(OSError):
            return first.path.samefile(second.path)
    return first.name == second.name
