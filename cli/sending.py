"""Sources sent to the API, a few at a time, and none that it has already."""

from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from cli.client import FINAL, Client
from cli.journal import Entry, Journal
from cli.patience import Patience
from cli.problems import NOT_LET_IN
from cli.sources import Source
from rag.errors import AegisError, IdempotencyMismatch, NotFound, Overloaded, Transient
from rag.jsontypes import Json

ENDS_ALL = (*NOT_LET_IN, Transient, NotFound)
"""Refusals that the next document would meet with too."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a source: a job to follow, ``result`` of a document that is in already, or an error."""

    source: Source
    job_id: str | None = None
    result: Json | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a source is brought to a collection; ``again``: also one that is there already."""

    client: Client
    collection: str | None
    journal: Journal
    reached: Event
    again: bool = False

    def of(self, source: Source) -> Sent:
        try:
            return self._earlier(source) or self._new(source)
        except Exception as error:  # noqa: BLE001 - raised by whoever hears of it
            return Sent(source, error=error)

    def _new(self, source: Source) -> Sent:
        name = source.document_id or source.name
        key = self.journal.key(name, source.mark)
        try:
            answer = self._patiently(lambda: source.send(self.client, self.collection, key))
        except IdempotencyMismatch:  # the file has changed, and its size and time have not
            answer = self._patiently(lambda: source.send(self.client, self.collection, None))
        if source.mark:
            self.journal.accept(name, source.mark, answer["job_id"])
        return Sent(source, job_id=answer["job_id"])

    def _earlier(self, source: Source) -> Sent | None:
        """What became of it when it was sent before; None when it is to be sent."""
        entry = self.journal.entry(source.document_id or source.name, source.mark)
        if entry is None or self.again:
            return None
        try:
            return self._under_way(source, entry) if not entry.version else self._settled(source, entry)
        except NotFound:
            return None

    def _under_way(self, source: Source, entry: Entry) -> Sent | None:
        job = self._patiently(lambda: self.client.job(entry.job))
        if job["state"] not in FINAL:
            return Sent(source, job_id=entry.job)
        if job["state"] != "succeeded" or not source.is_lasting:
            return None
        document = self._document(source)
        return _present(source, document) if document["version"] == job["result"].get("version") else None

    def _settled(self, source: Source, entry: Entry) -> Sent | None:
        if not source.is_lasting:
            return None
        document = self._document(source)
        return _present(source, document) if entry.is_of(document) else None

    def _document(self, source: Source) -> Json:
        return self._patiently(lambda: self.client.document(str(source.document_id), self.collection))

    def _patiently(self, call: Callable[[], T]) -> T:
        """An API that was there, and is lost, may be back soon. Transient when it is not."""
        patience = Patience()
        while True:
            try:
                answer = call()
            except Transient as error:
                was_put_off = error.retry_after is not None or isinstance(error, Overloaded)
                if was_put_off or not self.reached.is_set():
                    raise
                seconds = patience.pause(error)
                self.client.delayed(error, seconds)
                if self.client.nap(seconds):
                    raise
            except AegisError:
                self.reached.set()
                raise
            else:
                self.reached.set()
                return answer


class Senders:
    """Threads that deliver what they are given, and tell ``hear`` of each, until all would be refused."""

    def __init__(self, delivery: Delivery, hear: Callable[[Sent], None], count: int) -> None:
        self._delivery, self._hear = delivery, hear
        self._left: SimpleQueue[Source | None] = SimpleQueue()
        self._count, self._over = count, Event()
        self.open = 0
        """Given and not heard of yet, by the count of whoever hears."""
        for number in range(count):
            Thread(target=self._work, name=f"sender-{number}", daemon=True).start()

    def give(self, source: Source) -> None:
        self.open += 1
        self._left.put(source)

    def end(self) -> None:
        """Begin nothing more."""
        self._over.set()
        try:
            while self._left.get_nowait() is not None:
                self.open -= 1
        except Empty:
            pass
        for _ in range(self._count):
            self._left.put(None)

    def _work(self) -> None:
        while (source := self._left.get()) is not None and not self._over.is_set():
            sent = self._delivery.of(source)
            if isinstance(sent.error, ENDS_ALL):
                self._over.set()
            self._hear(sent)


def _present(source: Source, document: Json) -> Sent:
    facts = ("document_id", "version", "chunks", "tokens")
    return Sent(source, result={**{fact: document[fact] for fact in facts}, "unchanged": True})
