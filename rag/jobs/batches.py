"""``BatchStore`` on Redis, with the journal in the blob store: batches survive the loss of Redis' data."""

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from time import time
from typing import cast

from redis import Redis

from rag.errors import AegisError, IdempotencyMismatch, Overloaded, Recovering
from rag.jobs.scripts import (
    Fields,
    JobScripts,
    batch_key,
    call_token,
    dumped,
    fields_of,
    idempotency_record,
    job_key,
)
from rag.jobs.store import MISMATCH, overloaded
from rag.journal.entries import BatchEntry, JobFields, opening_of, over
from rag.journal.journal import Journal
from rag.model import Batch, BatchOptions, BatchStanding, JobKind, JobState, Json, NewJob
from rag.naming import new_id
from rag.redis.connection import PREFIX, Call
from rag.settings import Settings

_RECORDED_AT_ONCE = 100
"""Jobs that one step records: some milliseconds in which the server does nothing else."""

_READ_AT_ONCE = 500
_MOST_FAILED = 20
_LOST = "Redis lost its records just now: try again"


class DurableBatchStore(JobScripts):
    """Batches in ``client``'s database; ``jobs.lua`` lists the keys.

    A batch has one entry in the journal, with all of its jobs. It is written after their records, and no
    worker begins one of them before it.
    """

    def __init__(self, client: Redis, settings: Settings, journal: Journal) -> None:
        super().__init__(client, settings)
        self._journal = journal

    def begin(self, *, idempotency_key: str | None, body_digest: str) -> Batch:
        batch_id = new_id()
        if idempotency_key is None:
            return Batch(batch_id)
        keys = [PREFIX, idempotency_record(idempotency_key)]
        outcome, *told = self._scripts.run("begin_batch", keys, "", batch_id, body_digest, self._idempotency)
        if outcome == b"mismatch":
            raise IdempotencyMismatch(MISMATCH)
        begun = told[0].decode() if outcome == b"known" else batch_id
        return self.get(begun) or Batch(begun)

    def accept(
        self, jobs: Sequence[NewJob], parts: Sequence[str] | None, options: BatchOptions
    ) -> list[tuple[str, str] | Overloaded]:
        answers: list[tuple[str, str] | Overloaded] = []
        for at in range(0, len(jobs), _RECORDED_AT_ONCE):
            some = slice(at, at + _RECORDED_AT_ONCE)
            try:
                answers += self._accept_some(jobs[some], parts[some] if parts else None, options)
            except AegisError:  # such as a broker without memory: nothing of what is refused may stay
                self._undo(job.id for job in jobs[: at + _RECORDED_AT_ONCE])
                raise
        return answers

    def _accept_some(
        self, jobs: Sequence[NewJob], parts: Sequence[str] | None, options: BatchOptions
    ) -> Iterator[tuple[str, str] | Overloaded]:
        keys = [PREFIX, *map(idempotency_record, parts or ())]
        common = (JobKind.INGEST, options.most_open, options.owner, self._most_owned, options.trace)
        arguments = ["" if each is None else each for each in common]
        each_job = [
            text
            for job, part in zip(jobs, parts or [""] * len(jobs), strict=True)
            for text in (
                job.id,
                job.stage,
                job.collection,
                dumped(job.inputs),
                _document_of(job),
                _digest(part),
            )
        ]
        told = self._scripts.run(
            "accept_all", keys, "", *arguments, options.batch_id, self._idempotency, *each_job
        )
        for job, (outcome, *more) in zip(jobs, told, strict=True):
            if outcome == b"new":
                yield job.id, _document_of(job)
            elif outcome == b"known":
                yield more[0].decode(), more[1].decode()
            else:
                yield overloaded(JobKind.INGEST, outcome, *more)

    def complete(
        self, batch_id: str, job_ids: Sequence[str], answer: Json, key: tuple[str, str] | None
    ) -> Batch:
        fields = {"answer": dumped(answer), "accepted": str(len(job_ids))}
        if key is not None:
            fields |= {"idempotency": idempotency_record(key[0]), "digest": key[1]}
        if not self._close(batch_id, fields):
            raise Recovering(_LOST)
        try:
            whole, _ = self._fields(batch_id)
            jobs = [opening_of(each) for each in self._records(job_ids) if not over(each)]
            self._journal.open_batch(BatchEntry(whole, jobs))
        except AegisError:
            self._undo(job_ids)
            self.abandon(batch_id, key)
            raise
        for at in range(0, len(job_ids), _READ_AT_ONCE):
            if self._scripts.run("keep_all", [PREFIX], "", *job_ids[at : at + _READ_AT_ONCE]):
                raise Recovering(_LOST)
        return _batch_of(whole)

    def _close(self, batch_id: str, fields: Fields) -> bool:
        pairs = [part for pair in fields.items() for part in pair]
        return bool(self._scripts.run("close_batch", [batch_key(batch_id)], "", self._idempotency, *pairs))

    def _undo(self, job_ids: Iterable[str]) -> None:
        self._scripts.run_each("undo", (([job_key(job_id)], (job_id,)) for job_id in job_ids))

    def abandon(self, batch_id: str, key: tuple[str, str] | None) -> None:
        if key is not None:
            self._scripts.run(
                "abandon_batch", [batch_key(batch_id), idempotency_record(key[0])], "", batch_id
            )

    def get(self, batch_id: str) -> Batch | None:
        fields, _ = self._fields(batch_id)
        return _batch_of(fields) if fields else None

    def _fields(self, batch_id: str) -> tuple[Fields, int]:
        """The fields of the record, none where there is no batch; and how many of its jobs have records."""
        pairs, count = self._scripts.run("batch", [batch_key(batch_id)])
        return fields_of((pairs, None, None)), cast(int, count)

    def _records(self, job_ids: Sequence[str]) -> Iterator[JobFields]:
        """The fields of the jobs' records. Recovering where one is gone."""
        for at in range(0, len(job_ids), _READ_AT_ONCE):
            for record in self._scripts.run("records", [PREFIX], "", *job_ids[at : at + _READ_AT_ONCE]):
                if not record:
                    raise Recovering(_LOST)
                yield fields_of((record, None, None))

    def standing(self, batch_id: str) -> BatchStanding:
        fields, count = self._fields(batch_id)
        states: dict[JobState, int] = {}
        failed: list[str] = []
        for job_id, state in self._states(batch_id):
            if state is not None:
                states[state] = states.get(state, 0) + 1
            if state in (JobState.FAILED, JobState.DEAD) and len(failed) < _MOST_FAILED:
                failed.append(job_id)
        accepted = max(int(fields.get("accepted", 0)), count)
        return BatchStanding(states, accepted - sum(states.values()), tuple(failed))

    def _states(self, batch_id: str) -> Iterator[tuple[str, JobState | None]]:
        at = 0
        while True:
            last = at + _READ_AT_ONCE - 1
            told = self._scripts.run("batch_states", [batch_key(batch_id)], "", at, last)
            for job_id, state in zip(told[::2], told[1::2], strict=True):
                yield job_id.decode(), JobState(state.decode()) if state else None
            if len(told) < 2 * _READ_AT_ONCE:
                return
            at += _READ_AT_ONCE

    def cancel(self, batch_id: str) -> int:
        still_open = [job_id for job_id, state in self._states(batch_id) if state and not state.final]
        expiry = (call_token(), self._stale, *self._expiry(JobState.CANCELLED))
        count = 0
        for at in range(0, len(still_open), _READ_AT_ONCE):
            some = still_open[at : at + _READ_AT_ONCE]
            calls: Iterator[Call] = (([job_key(job_id)], (job_id, *expiry)) for job_id in some)
            answers = self._scripts.run_each("cancel", calls)
            ended = [job_id for job_id, answer in zip(some, answers, strict=True) if answer[0] == b"done"]
            self._journal.end_all([each for each in self._records(ended) if over(each)])
            count += len(ended)
        return count


def _batch_of(fields: Fields) -> Batch:
    return Batch(
        id=fields["id"],
        owner=fields.get("owner", ""),
        created_at=float(fields.get("created_at", time())),
        collections=tuple(filter(None, fields.get("collections", "").split(","))),
        accepted=int(fields.get("accepted", 0)),
        answer=json.loads(fields["answer"]) if "answer" in fields else None,
    )


def _document_of(job: NewJob) -> str:
    document: str = job.inputs["document_id"]
    return document


def _digest(part: str) -> str:
    return sha256(part.encode()).hexdigest() if part else ""
