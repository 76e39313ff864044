"""Jobs that were promised come back after a loss, once, and as they were."""

from collections.abc import Callable
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.errors import IdempotencyMismatch
from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.restoration.promises import (
    PROBLEM,
    asked,
    begun,
    found,
    listed,
    over,
    submitted,
    to_run,
)
from workers.tools import Tools


class TestJobs:
    def test_open_ones_begin_again_in_their_order(self, tools: Tools, lose: Callable[[], None]) -> None:
        jobs = [submitted(tools), asked(tools), submitted(tools), asked(tools, None)]
        lease = begun(tools, jobs[0], Stage.PARSE)
        tools.jobs.advance(lease, Stage.EMBED, seconds=1)
        lose()

        rebuild_records(tools.restoration)

        back = [found(tools, job) for job in jobs]
        assert [job.state for job in back] == [JobState.QUEUED] * 4
        assert [(job.stage, job.queue_position) for job in back] == [
            (Stage.PARSE, 1),
            (Stage.EMBED_QUERY, 1),
            (Stage.PARSE, 2),
            (Stage.EMBED_QUERY, 2),
        ]
        for job, before in zip(back, jobs, strict=True):
            assert (job.id, job.kind, job.collection, job.inputs, job.deadline, job.attempts) == (
                before.id,
                before.kind,
                before.collection,
                before.inputs,
                before.deadline,
                0,
            )
            assert job.created_at == before.created_at
        assert sorted(to_run(tools)) == sorted(job.id for job in jobs) == sorted(listed(tools))

    @pytest.mark.parametrize("ends", [False, True])
    def test_one_is_still_its_owners(self, tools: Tools, lose: Callable[[], None], ends: bool) -> None:
        inputs = {"document_id": "a", "version": 1, "generation": 1}
        new = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", inputs, owner="acme")
        job = tools.jobs.accept(new).job
        if ends:
            over(tools, job)
        lose()

        rebuild_records(tools.restoration)

        assert found(tools, job).owner == "acme"

    def test_one_by_url_is_fetched_again_first(self, tools: Tools, lose: Callable[[], None]) -> None:
        inputs = {"document_id": "a", "version": 1, "generation": 1, "url": "https://example.com/"}
        job = NewJob(str(uuid7()), JobKind.INGEST, JobKind.INGEST.first_stage(inputs), "docs", inputs)
        tools.jobs.accept(job)
        tools.jobs.advance(begun(tools, job, Stage.FETCH), Stage.PARSE, seconds=1)
        lose()

        rebuild_records(tools.restoration)

        back = found(tools, job)
        assert (back.stage, back.retries, back.inputs) == (Stage.FETCH, 0, inputs)

    def test_an_attempt_from_before_writes_nothing(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        late = begun(tools, job, Stage.PARSE)
        lose()
        rebuild_records(tools.restoration)

        assert not tools.jobs.finish(late, JobState.SUCCEEDED, result={})
        successor = begun(tools, job, Stage.PARSE)
        assert not tools.jobs.extend(late, lease_seconds=30)
        lose()
        rebuild_records(tools.restoration)

        assert begun(tools, job, Stage.PARSE).token > successor.token > late.token
        assert not tools.jobs.advance(successor, Stage.EMBED, seconds=1)

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD])
    def test_ended_ones_are_as_they_were(
        self, tools: Tools, lose: Callable[[], None], state: JobState
    ) -> None:
        before = over(tools, submitted(tools), state)
        lose()

        rebuild_records(tools.restoration)

        assert found(tools, before) == before
        assert tools.jobs.events(before.id)[0].data["state"] == state
        assert tools.jobs.counts()[state] == 1
        assert to_run(tools) == []
        dead = tools.jobs.dead(reason="unavailable", collections=None, cursor=None, limit=9).items
        assert dead == ((before,) if state is JobState.DEAD else ())

    def test_cancelled_and_expired_ones_stay_so(self, tools: Tools, lose: Callable[[], None]) -> None:
        cancelled, expired = submitted(tools), asked(tools, deadline=1.0)
        tools.jobs.cancel(cancelled.id)
        assert tools.jobs.expire(expired.id, error={"detail": "late"})
        before = [found(tools, job) for job in (cancelled, expired)]
        lose()

        rebuild_records(tools.restoration)

        assert [found(tools, job) for job in before] == before

    def test_a_dropped_dead_letter_stays_dropped(self, tools: Tools, lose: Callable[[], None]) -> None:
        dead = over(tools, submitted(tools), JobState.DEAD)
        tools.jobs.drop(dead.id)
        lose()

        rebuild_records(tools.restoration)

        assert found(tools, dead).state is JobState.FAILED

    def test_a_retried_one_is_run_again(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = over(tools, submitted(tools), JobState.FAILED)
        tools.jobs.retry(job.id)
        lose()

        rebuild_records(tools.restoration)

        assert found(tools, job).state is JobState.QUEUED
        assert to_run(tools) == [job.id]

    def test_one_that_ended_badly_is_retried_from_its_first_stage(
        self, tools: Tools, lose: Callable[[], None]
    ) -> None:
        job = asked(tools)
        tools.jobs.advance(begun(tools, job, Stage.EMBED_QUERY), Stage.SEARCH, seconds=1)
        tools.jobs.finish(begun(tools, job, Stage.SEARCH), JobState.DEAD, error=PROBLEM)
        lose()
        rebuild_records(tools.restoration)
        assert found(tools, job).stage is Stage.SEARCH

        assert tools.jobs.retry(job.id).stage is Stage.EMBED_QUERY

    def test_a_pruned_one_does_not_come_back(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = over(tools, submitted(tools))
        later = job.created_at + 60
        assert tools.jobs.prune(finished_before=later, dead_before=later, most=99, limit=9)
        lose()

        rebuild_records(tools.restoration)

        assert listed(tools) == []

    def test_one_that_ended_long_ago_is_forgotten(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        record = dict(tools.restoration.jobs.record(job.id))
        tools.restoration.journal.end(lambda: {**record, "state": "succeeded", "finished_at": "1.5"})
        lose()

        rebuild_records(tools.restoration)

        assert listed(tools) == []
        assert list(tools.blobs.keys("journal/ended")) == []

    def test_an_idempotency_key_is_remembered(self, tools: Tools, lose: Callable[[], None]) -> None:
        still_open, ended = submitted(tools, key="open"), over(tools, submitted(tools, key="ended"))
        lose()
        rebuild_records(tools.restoration)

        assert submitted(tools, key="open").id == still_open.id
        assert submitted(tools, key="ended").id == ended.id
        other = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", {})
        with pytest.raises(IdempotencyMismatch):
            tools.jobs.accept(other, idempotency_key="open", body_digest="another body")


def test_with_documents_alone_questions_are_not_kept(
    valkey: str, tmp_path: Path, lose: Callable[[], None]
) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, journal="documents"))
    job, _ = submitted(tools), asked(tools)
    lose()

    rebuild_records(tools.restoration)

    assert listed(tools) == to_run(tools) == [job.id]
