"""What the service has promised during a run, and what it must hold in the end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4

JobPage = dict[str, Any]
Check = Callable[[JobPage], str | None]
"""Given a job that succeeded: what is wrong with its result, None when nothing is."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An accepted job. ``ends``: the states in which it may end."""

    job_id: str
    kind: str
    check: Check
    ends: frozenset[str] = frozenset({"succeeded"})


@dataclass(frozen=True, slots=True)
class Edition:
    """The text of a document that shall be seen in the end, and its chunks."""

    text: str
    chunks: int


@dataclass
class Ledger:
    """Filled by the load's threads while the stack is hurt; ``collection`` is this run's own.

    ``drafts``: documents whose ingestion was cancelled, to be seen whole or not at all, as long as
    it is not known which.
    """

    collection: str = field(default_factory=lambda: f"chaos-{uuid4().hex[:10]}")
    promises: dict[str, Promise] = field(default_factory=dict)
    live: dict[str, Edition] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    drafts: dict[str, Edition] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def promise(self, promise: Promise) -> None:
        with self._lock:
            if promise.job_id in self.promises:
                self.violations.append(f"two submits were given the same job {promise.job_id}")
            self.promises[promise.job_id] = promise

    def shows(self, document_id: str, edition: Edition) -> None:
        with self._lock:
            self.live[document_id] = edition
            self.drafts.pop(document_id, None)
            self.deleted.discard(document_id)

    def hides(self, document_id: str) -> None:
        with self._lock:
            self.live.pop(document_id, None)
            self.drafts.pop(document_id, None)
            self.deleted.add(document_id)

    def may_show(self, document_id: str, edition: Edition) -> None:
        with self._lock:
            self.drafts[document_id] = edition

    def answered(self, what: str) -> None:
        """Count an answer by its status, or that there was none."""
        with self._lock:
            self.answers[what] += 1

    def violation(self, what: str) -> None:
        """An answer that is neither right nor a 429 or 503 problem."""
        with self._lock:
            self.violations.append(what)
