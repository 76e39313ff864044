"""Sends sources to the API, a few at a time, and none that it has already."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from cli.client.client import FINAL, Client
from cli.client.connection import RetryTimer
from cli.client.problems import ACCESS_ERRORS, error_in
from cli.ingestion.journal import Journal
from cli.ingestion.sources import LocalFile, Source
from rag.errors import AegisError, IdempotencyMismatch, NotFound, Overloaded, Transient
from rag.web.jsontypes import Json

ENDS_ALL = (*ACCESS_ERRORS, Transient, NotFound)
"""Errors that the next document would meet too."""

MOST_TOGETHER = 100
"""Small files that are sent in one call."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a source: a job, the ``result`` of a document that is there already, or an error."""

    source: Source
    job_id: str | None = None
    result: Json | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends sources to a collection.

    ``reached``: is set once the API has answered; ``again``: also send what is there already.
    ``singly``: is set where the API takes no batches, as that of an earlier version.
    """

    client: Client
    collection: str | None
    journal: Journal
    reached: Event
    again: bool = False
    singly: Event = field(default_factory=Event)

    def send_all(self, sources: Sequence[Source]) -> Iterator[Sent]:
        """What becomes of each source, in any order; small files go in one call."""
        new: list[LocalFile] = []
        for source in sources:
            if not isinstance(source, LocalFile) or not source.is_small or self.singly.is_set():
                yield self.send(source)
            elif earlier := self._try_to_find(source):
                yield earlier
            else:
                new.append(source)
        yield from self._send_batch(new) if len(new) > 1 else map(self.send, new)

    def _try_to_find(self, source: Source) -> Sent | None:
        try:
            return self._find_earlier(source)
        except Exception as error:  # noqa: BLE001 - raised by the thread that takes it
            return Sent(source, error=error)

    def _send_batch(self, sources: Sequence[LocalFile]) -> Iterator[Sent]:
        """What becomes of each. Those that the API wants later, or not together, are sent by themselves."""
        files: dict[LocalFile, bytes] = {}
        for source in sources:
            try:
                files[source] = source.content()
            except OSError as error:
                yield Sent(source, error=error)
        try:
            yield from self._answers(files)
        except (*ACCESS_ERRORS, Transient) as error:
            yield from (Sent(source, error=error) for source in files)
        except Exception as error:  # noqa: BLE001 - each source then gets an error of its own
            if isinstance(error, NotFound):
                self.singly.set()
            yield from map(self.send, files)

    def _answers(self, files: dict[LocalFile, bytes]) -> list[Sent]:
        keys = [self.journal.key(source.document_id, source.mark) for source in files]
        key = sha256(json.dumps(keys).encode()).hexdigest() if all(keys) else None
        parts = [(source.document_id, content) for source, content in files.items()]
        answer = self._retry(lambda: self.client.ingest_all(parts, self.collection, key=key))
        refused = {each["position"]: error_in(each) for each in answer["refused"]}
        sent = []
        for position, (source, placed) in enumerate(zip(files, answer["jobs"], strict=True)):
            if placed is None and isinstance(refused[position], Transient):
                sent.append(self.send(source))
            elif placed is None:
                sent.append(Sent(source, error=refused[position]))
            else:
                self.journal.accept(source.document_id, source.mark, placed["job_id"])
                sent.append(Sent(source, job_id=placed["job_id"]))
        return sent

    def send(self, source: Source) -> Sent:
        """Never raises: an error is in what it returns."""
        try:
            return self._find_earlier(source) or self._send_new(source)
        except Exception as error:  # noqa: BLE001 - raised by the thread that takes it
            return Sent(source, error=error)

    def _send_new(self, source: Source) -> Sent:
        name = source.document_id or source.name
        key = self.journal.key(name, source.mark)
        try:
            answer = self._retry(lambda: source.send(self.client, self.collection, key))
        except IdempotencyMismatch:  # the file has changed, but not its size and time
            # Another key, since the API has this one with the former content.
            answer = self._retry(lambda: source.send(self.client, self.collection, None))
        if source.mark:
            self.journal.accept(name, source.mark, answer["job_id"])
        return Sent(source, job_id=answer["job_id"])

    def _find_earlier(self, source: Source) -> Sent | None:
        """What became of the source when it was sent before; None when it must be sent."""
        entry = self.journal.entry(source.document_id or source.name, source.mark)
        if entry is None or self.again:
            return None
        try:
            if not entry.version:
                job = self._retry(lambda: self.client.job(entry.job))
                if job["state"] not in FINAL:
                    return Sent(source, job_id=entry.job)
                if job["state"] != "succeeded":
                    return None
            if not source.is_lasting:
                return None
            document = self._retry(lambda: self.client.document(str(source.document_id), self.collection))
        except NotFound:
            return None
        same = entry.is_of(document) if entry.version else document["version"] == job["result"].get("version")
        facts = ("document_id", "version", "chunks", "tokens")
        result = {**{fact: document[fact] for fact in facts}, "unchanged": True}
        if warnings := document.get("warnings"):
            result["warnings"] = warnings
        return Sent(source, result=result) if same else None

    def _retry(self, call: Callable[[], T]) -> T:
        """Repeat the call when the API was there before and is lost. Transient when it does not come back."""
        timer = RetryTimer()
        while True:
            try:
                answer = call()
            except Transient as error:
                # The connection has already waited for an API that named a time, or that is full.
                was_repeated = error.retry_after is not None or isinstance(error, Overloaded)
                if was_repeated or not self.reached.is_set():
                    raise
                seconds = timer.pause(error)
                self.client.delayed(error, seconds)
                if self.client.sleep(seconds):
                    raise
            except AegisError:
                self.reached.set()
                raise
            else:
                self.reached.set()
                return answer


class SenderPool:
    """Threads that send what they are given and pass each result to ``report``.

    They stop at the first error that all other sources would meet too.
    """

    def __init__(self, sender: Sender, report: Callable[[Sent], None], count: int) -> None:
        self._sender, self._report = sender, report
        self._left: SimpleQueue[Source | None] = SimpleQueue()
        self._count, self._over = count, Event()
        self.open = 0
        """Sources that were given and whose result was not taken; the taker counts them down."""
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
        # None ends a thread; one for each.
        for _ in range(self._count):
            self._left.put(None)

    def _work(self) -> None:
        while (source := self._left.get()) is not None and not self._over.is_set():
            for sent in self._sender.send_all([source, *self._more()]):
                self._report(sent)
                if isinstance(sent.error, ENDS_ALL):
                    self._over.set()
                if self._over.is_set():
                    return

    def _more(self) -> Iterator[Source]:
        """What else there is to send now."""
        with suppress(Empty):
            for _ in range(MOST_TOGETHER - 1):
                source = self._left.get_nowait()
                if source is None:
                    self._left.put(None)  # it ends a thread: perhaps this one
                    return
                yield source
