"""The account of a run: what was promised against what the service and its stores hold."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from rag.errors import Transient, UnknownCollection
from tests.chaos.caller import Caller
from tests.chaos.ledger import JobPage, Ledger, Promise
from tests.chaos.stack import Target

_FOLLOWERS = 4

SETTLE_SECONDS = 90.0
"""From the last job's end until points that nobody needs must be gone."""


@dataclass
class Account:
    """The figures of one run. ``faults`` says of each thing that is not as it should be what it is."""

    accepted: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    wrong: int = 0
    points: int = 0
    points_expected: int = 0
    violations: int = 0
    seconds: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        bad = self.lost + self.doubled + self.stuck + self.wrong + self.violations
        return not bad and not self.faults and self.points == self.points_expected

    def line(self) -> str:
        return (
            f"accepted {self.accepted} finished {self.finished} lost {self.lost} doubled {self.doubled} "
            f"stuck {self.stuck} wrong {self.wrong} points {self.points}/{self.points_expected} "
            f"violations {self.violations} seconds {self.seconds:.0f} "
            f"answers {json.dumps(self.answers)}"
        )

    def story(self) -> str:
        return "\n".join((self.line(), *self.faults[:40]))


class Audit:
    """Closes the books of one run on a stack that is whole again."""

    def __init__(
        self, target: Target, ledger: Ledger, also: Mapping[str, Set[str]], settle: float = SETTLE_SECONDS
    ) -> None:
        self._target = target
        self._also = also
        self._settle = settle
        self._ledger = ledger
        self._caller = Caller(target.url, ledger)
        self.account = Account()

    def closed(self, deadline: float) -> Account:
        """Follow every job to its end, ``deadline`` of the monotonic clock at most, and count."""
        self._follow(deadline)
        self._find_unpromised_jobs()
        self._compare_documents()
        self._compare_points()
        account = self.account
        account.accepted = len(self._ledger.promises)
        account.violations = len(self._ledger.violations)
        account.answers = dict(sorted(self._ledger.answers.items()))
        account.faults += self._ledger.violations
        return account

    # --- jobs

    def _follow(self, deadline: float) -> None:
        """A thread for each of the callers, so that each keeps its connection."""
        callers = [Caller(self._target.url, self._ledger) for _ in range(_FOLLOWERS)]
        promises = list(self._ledger.promises.values())
        with ThreadPoolExecutor(_FOLLOWERS) as pool:
            shares = [promises[n::_FOLLOWERS] for n in range(_FOLLOWERS)]
            followed = [pool.submit(_ends_of, *pair, deadline) for pair in zip(callers, shares, strict=True)]
            for share in followed:
                for promise, job in share.result():
                    self._judge(promise, job)

    def _judge(self, promise: Promise, job: JobPage | None) -> None:
        account, name = self.account, f"{promise.kind} {promise.job_id}"
        if job is None:
            account.stuck += 1
            return self._fault(f"{name} is not over: {self._state_of(promise.job_id)}")
        if job["state"] == "lost":
            account.lost += 1
            return self._fault(f"{name} was accepted and is not known")
        account.finished += 1
        if (ends := Counter(job["events"])["result"]) > 1:
            account.doubled += 1
            self._fault(f"{name} told its result {ends} times")
        if job["state"] not in promise.ends | self._also.get(promise.kind, set()):
            account.wrong += 1
            return self._fault(f"{name} ended as {job['state']}: {job['error']}")
        if job["state"] == "succeeded" and (wrong := promise.check(job)):
            account.wrong += 1
            self._fault(f"{name} is wrong: {wrong}")
        return None

    def _state_of(self, job_id: str) -> str:
        job = self._caller.call("GET", f"/v1/jobs/{job_id}", {200}).json()
        return f"{job['state']} at {job['stage']}, attempt {job['attempts']}, {job['error']}"

    def _find_unpromised_jobs(self) -> None:
        """A job of this run's collection that no submit was answered with was made twice."""
        for job in self._pages("/v1/jobs"):
            if job["kind"] == "ingest" and job["id"] not in self._ledger.promises:
                self.account.doubled += 1
                self._fault(f"ingest {job['id']} was made twice: no submit was answered with it")

    # --- documents

    def _compare_documents(self) -> None:
        seen = Counter(document["document_id"] for document in self._pages("/v1/documents"))
        self._settle_drafts(seen.keys())
        for document_id in seen - Counter(self._ledger.live.keys()):
            self.account.doubled += 1
            self._fault(f"document {document_id} is listed {seen[document_id]} times or was deleted")
        for document_id, edition in self._ledger.live.items():
            where = {"collection": self._ledger.collection}
            answer = self._caller.call("GET", f"/v1/documents/{document_id}/text", {200, 404}, params=where)
            if answer.status_code != httpx.codes.OK or answer.text != edition.text:
                self.account.wrong += 1
                self._fault(f"document {document_id} is not its last edition: {answer.text[:100]}")

    def _settle_drafts(self, seen: Set[str]) -> None:
        for document_id, edition in list(self._ledger.drafts.items()):
            if document_id in seen:
                self._ledger.shows(document_id, edition)
            else:
                self._ledger.hides(document_id)

    def _pages(self, path: str) -> Iterator[JobPage]:
        params: dict[str, str | int] = {"collection": self._ledger.collection, "limit": 100}
        while True:
            answer = self._caller.call("GET", path, {200, 404}, params=params)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return
            page = answer.json()
            yield from page["items"]
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    # --- points

    def _compare_points(self) -> None:
        """What is removed after the last job may take a while; what is missing does not come."""
        deadline = time.monotonic() + self._settle
        expected = {document_id: edition.chunks for document_id, edition in self._ledger.live.items()}
        while (found := self._points()) != expected and time.monotonic() < deadline:
            time.sleep(0.5)
        self.account.points, self.account.points_expected = sum(found.values()), sum(expected.values())
        for document_id in sorted(found.keys() | expected.keys()):
            if (has := found.get(document_id, 0)) != (shall := expected.get(document_id, 0)):
                self.account.doubled += has > shall
                self.account.lost += has < shall
                self._fault(f"document {document_id} has {has} points, not {shall}")

    def _points(self) -> dict[str, int]:
        """Points by document in the engine; "" for those of documents that nobody knows."""
        try:
            stores = [n for n in self._target.points.collections() if n.startswith(self._ledger.collection)]
            found = {
                document_id: sum(self._target.points.count(store, document_id) for store in stores)
                for document_id in {*self._ledger.live, *self._ledger.deleted}
            }
            found[""] = sum(self._target.points.count(store) for store in stores) - sum(found.values())
        except (Transient, UnknownCollection):
            return {"": -1}
        return {document_id: count for document_id, count in found.items() if count}

    def _fault(self, what: str) -> None:
        self.account.faults.append(what)


def _ends_of(
    caller: Caller, promises: Sequence[Promise], deadline: float
) -> list[tuple[Promise, JobPage | None]]:
    """Each with its finished job, that with its events; None for one that is not over in time."""
    try:
        return [(promise, _end_of(caller, promise, deadline)) for promise in promises]
    finally:
        caller.close()


def _end_of(caller: Caller, promise: Promise, deadline: float) -> JobPage | None:
    job = caller.finished(promise.job_id, max(1.0, deadline - time.monotonic()))
    if job is not None and job["state"] != "lost":
        job["events"] = list(caller.events(promise.job_id))
    return job
