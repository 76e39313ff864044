"""What every JobStore lists for a caller who does not see all jobs: it looks at none of the others."""

import json
from typing import Any, cast

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.jobs import store
from rag.model import JobKind, JobState, NewJob, Stage
from rag.ports import JobStore, Window
from rag.recovery.rebuild import JobRestoration
from rag.settings import Settings
from tests.contract.jobs.jobrecords import accepted, all_pages, begun, ended, keys, new_job

ALL: dict[str, Any] = {"cursor": None, "limit": 50}


def asked(jobs: JobStore, owner: str, collection: str = "docs") -> str:
    return accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY, collection, owner=owner))


def looks(client: redis.Redis) -> int:
    """Records looked at since the server was started."""
    return int(cast(dict[str, Any], client.info("commandstats"))["cmdstat_hmget"]["calls"])


@pytest.mark.parametrize("narrow", [{"collections": ["mine"]}, {"collections": None, "asker": "me"}])
def test_jobs_of_others_are_not_looked_at(jobs: JobStore, redis_client: redis.Redis, narrow: Any) -> None:
    for _ in range(60):
        asked(jobs, "another", "theirs")
    mine = asked(jobs, "me", "mine")
    jobs.page(**ALL, **narrow)
    before = looks(redis_client)

    window = jobs.page(**ALL, **narrow)

    assert ([job.id for job in window.items], window.next) == ([mine], None)
    assert looks(redis_client) - before < 10


def test_who_asked_sees_own_questions_and_all_else(jobs: JobStore) -> None:
    ids = [asked(jobs, "me"), asked(jobs, "another"), accepted(jobs), asked(jobs, "me", "other")]

    assert all_pages(jobs, asker="me") == [ids[3], ids[2], ids[0]]
    assert all_pages(jobs, asker="me", collections=["docs"]) == [ids[2], ids[0]]
    assert all_pages(jobs, asker="me", collections=["docs"], kinds=[JobKind.QUERY]) == [ids[0]]


@pytest.mark.parametrize(
    "scope", [{}, {"collections": ["docs"]}, {"asker": "me"}, {"collections": []}, {"collections": ["other"]}]
)
def test_of_many_jobs_those_are_visible_that_could_be_read_one_by_one(jobs: JobStore, scope: Any) -> None:
    there = [asked(jobs, "me"), asked(jobs, "another"), accepted(jobs), asked(jobs, "me", "other")]
    ids = [*there, "nobody", "no {id}"]

    alone = [each for each in ids if jobs.get(each, **scope) is not None]

    assert jobs.visible(ids, **scope) == alone


def test_of_no_jobs_none_is_visible(jobs: JobStore) -> None:
    assert jobs.visible([]) == []


def test_a_job_is_listed_by_the_state_it_is_in(jobs: JobStore) -> None:
    waiting, over = accepted(jobs), ended(jobs, JobState.FAILED)

    assert all_pages(jobs, collections=["docs"], states=[JobState.FAILED]) == [over]
    assert all_pages(jobs, collections=["docs"], states=[JobState.QUEUED]) == [waiting]
    jobs.retry(over)
    assert all_pages(jobs, collections=["docs"], states=[JobState.QUEUED]) == [over, waiting]


def test_a_page_over_many_jobs_that_are_not_meant_is_short(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LOOKS", 3)
    failed = ended(jobs, JobState.FAILED)
    ids = [accepted(jobs) for _ in range(45)]
    found: list[str] = []
    windows: list[Window[Any]] = []
    while not windows or windows[-1].next:
        cursor = windows[-1].next if windows else None
        window = jobs.page(states=[JobState.FAILED], collections=["docs"], cursor=cursor, limit=1)
        windows.append(window)
        found += [job.id for job in window.items]

    assert found == [failed]
    assert len(windows) == 3
    assert {window.next for window in windows} <= {*ids, None}


def test_restored_jobs_are_listed(redis_client: redis.Redis) -> None:
    fields = {
        "id": "0190a0a0-0000-7000-8000-000000000000", "kind": "query", "collection": "docs", "owner": "me",
        "inputs": json.dumps({"question": "Why?"}), "created_at": "1700000000",
    }  # fmt: skip
    assert JobRestoration(redis_client, Settings()).restore([fields]) == 1

    for key in ("in:docs:query", "asked:me"):
        assert redis_client.zrange(f"{{aegis}}:{key}", 0, -1) == [fields["id"].encode()]


def test_what_is_forgotten_is_in_no_list(jobs: JobStore, redis_client: redis.Redis) -> None:
    before = keys(redis_client)
    for n in range(3):
        job_id = asked(jobs, f"owner{n}", f"collection{n}")
        jobs.cancel(job_id)
        if n == 0:
            redis_client.delete(f"{{aegis}}:job:{job_id}")

    jobs.prune(finished_before=4e9, dead_before=4e9, most=0, limit=9)

    assert keys(redis_client) == before


# --- of a document


def about(
    document_id: str | None, kind: JobKind = JobKind.INGEST, collection: str = "docs", **inputs: Any
) -> NewJob:
    first = {JobKind.DELETE: Stage.PURGE}.get(kind, Stage.PARSE)
    return NewJob(str(uuid7()), kind, first, collection, {"document_id": document_id, **inputs})


def test_jobs_of_a_document_are_listed(jobs: JobStore) -> None:
    brought, other = accepted(jobs, about("a/b")), accepted(jobs, about("a"))
    deleted = accepted(jobs, about("a/b", JobKind.DELETE))
    elsewhere = accepted(jobs, about("a/b", collection="more"))
    accepted(jobs, about(None, JobKind.DELETE))

    assert all_pages(jobs, document_id="a/b") == [elsewhere, deleted, brought]
    assert all_pages(jobs, document_id="a/b", collections=["docs"]) == [deleted, brought]
    assert all_pages(jobs, document_id="a/b", collections=["docs", "more"]) == [elsewhere, deleted, brought]
    assert all_pages(jobs, document_id="a/b", collections=["docs"], kinds=[JobKind.DELETE]) == [deleted]
    assert all_pages(jobs, document_id="a", asker="me") == [other]
    assert all_pages(jobs, document_id="docs/a") == []


def test_jobs_of_a_document_are_listed_by_the_states_they_are_in(jobs: JobStore) -> None:
    failed, waiting, over = (accepted(jobs, about("a")) for _ in range(3))
    assert jobs.finish(begun(jobs, failed), JobState.FAILED)
    jobs.cancel(over)

    assert all_pages(jobs, document_id="a", states=[JobState.FAILED, JobState.QUEUED]) == [waiting, failed]
    assert all_pages(jobs, states=[JobState.FAILED, JobState.CANCELLED]) == [over, failed]


def test_jobs_of_other_documents_are_not_looked_at(jobs: JobStore, redis_client: redis.Redis) -> None:
    for number in range(60):
        accepted(jobs, about(f"other{number}"))
    wanted = accepted(jobs, about("a"))
    jobs.page(**ALL, collections=None, document_id="a")
    before = looks(redis_client)

    window = jobs.page(**ALL, collections=None, document_id="a")

    assert ([job.id for job in window.items], window.next) == ([wanted], None)
    assert looks(redis_client) - before < 10


@pytest.mark.parametrize("inputs", ['{"document_id": 7}', '{"document_id": null}', "{}", "[]"])
def test_inputs_that_name_no_document_are_in_no_list_of_one(redis_client: redis.Redis, inputs: str) -> None:
    fields = {
        "id": "0190a0a0-0000-7000-8000-000000000000", "kind": "ingest", "collection": "docs",
        "inputs": inputs, "created_at": "1700000000",
    }  # fmt: skip

    assert JobRestoration(redis_client, Settings()).restore([fields]) == 1

    assert not list(redis_client.scan_iter("*:about:*"))


def test_a_restored_job_is_listed_by_its_document(redis_client: redis.Redis) -> None:
    fields = {
        "id": "0190a0a0-0000-7000-8000-000000000000", "kind": "ingest", "collection": "docs",
        "inputs": json.dumps({"document_id": "a"}), "created_at": "1700000000",
    }  # fmt: skip
    JobRestoration(redis_client, Settings()).restore([fields])

    assert redis_client.zrange("{aegis}:about:docs/a", 0, -1) == [fields["id"].encode()]


def test_the_list_of_a_document_lasts_as_long_as_the_last_record_in_it(
    jobs: JobStore, redis_client: redis.Redis
) -> None:
    dead, failed = accepted(jobs, about("a")), accepted(jobs, about("a"))
    assert redis_client.ttl("{aegis}:about:docs/a") == -1
    for job_id, state in ((dead, JobState.DEAD), (failed, JobState.FAILED)):
        assert jobs.finish(begun(jobs, job_id), state)

    assert redis_client.ttl("{aegis}:about:docs/a") == pytest.approx(37 * 86400, abs=60)
    jobs.prune(finished_before=4e9, dead_before=4e9, most=0, limit=9)
    assert not redis_client.exists("{aegis}:about:docs/a", "{aegis}:about:/a")
