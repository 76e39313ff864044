"""What every JobStore must tell of a job, as it goes on and when it is over."""

import pytest
import redis

from rag.errors import InvalidRequest
from rag.model import EventKind, JobState, Progress
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, begun, kinds


class TestEvents:
    def test_they_come_in_order_and_resume(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        for text in "abc":
            assert jobs.emit(lease, EventKind.TOKEN, {"text": text})

        events = jobs.events(lease.job.id)

        assert [event.kind.value for event in events] == ["state", "state", "token", "token", "token"]
        assert [event.data["text"] for event in jobs.events(lease.job.id, after=events[2].id)] == ["b", "c"]
        assert jobs.events(lease.job.id, after=events[-1].id) == []

    def test_a_result_is_told_from_the_record_where_it_is_kept_once(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        result = {"answer": "水" * 100_000}
        assert jobs.finish(lease, JobState.SUCCEEDED, result=result)
        record = f"{{aegis}}:job:{lease.job.id}"

        state, told = jobs.events(lease.job.id)[-2:]

        assert (told.kind, told.data) == (EventKind.RESULT, result)
        assert jobs.events(lease.job.id, after=state.id) == [told]
        assert redis_client.hstrlen(record, "result") < 301_000
        assert redis_client.memory_usage(f"{record}:events", samples=0) < 10_000

    def test_a_foreign_event_id_is_refused(self, jobs: JobStore) -> None:
        with pytest.raises(InvalidRequest):
            jobs.events("x", after="yesterday")

    @pytest.mark.parametrize("after", [str(2**64), f"1-{2**64}", str(2**64 - 1), "9" * 20, "\u0661"])
    def test_the_id_of_an_event_that_no_stream_can_have_is_refused(self, jobs, after):
        with pytest.raises(InvalidRequest):
            jobs.events("x", after=after)


class TestNews:
    def test_events_of_several_jobs_come_together_in_order(self, jobs: JobStore) -> None:
        first, second = begun(jobs, accepted(jobs)), begun(jobs, accepted(jobs))
        jobs.progress(second, Progress(1, 2))
        jobs.progress(first, Progress(1, 3))
        jobs.emit(first, EventKind.TOKEN, {"text": "a"})
        assert jobs.finish(second, JobState.SUCCEEDED, result={"answer": "x" * 9})
        ids = (first.job.id, second.job.id)

        news = jobs.news(dict.fromkeys(ids))

        assert {job_id for job_id, _ in news.events} == set(ids)
        places = [tuple(map(int, event.id.split("-"))) for _, event in news.events]
        assert places == sorted(places)
        told = {each: [event for job_id, event in news.events if job_id == each] for each in ids}
        for each in ids:
            alone = [event for event in jobs.events(each) if event.kind is not EventKind.TOKEN]
            assert [event.id for event in told[each]] == [event.id for event in alone]
        assert (told[second.job.id][-1].kind, told[second.job.id][-1].data) == (
            EventKind.RESULT,
            {"answer": "x" * 9},
        )
        assert not news.long
        assert news.read == {each: jobs.events(each)[-1].id for each in ids}
        assert news.over == {second.job.id}

    def test_what_was_heard_does_not_come_again(self, jobs: JobStore) -> None:
        first, second = begun(jobs, accepted(jobs)), begun(jobs, accepted(jobs))
        heard = jobs.news({first.job.id: None, second.job.id: None}).read

        assert jobs.news(heard).events == ()
        assert jobs.progress(second, Progress(1, 2))

        news = jobs.news(heard)
        assert [(job_id, event.data) for job_id, event in news.events] == [
            (second.job.id, {"done": 1, "total": 2})
        ]
        assert news.read == {second.job.id: news.events[0][1].id}

    def test_a_long_result_is_left_in_the_record(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "水" * 10_000})

        news = jobs.news({lease.job.id: None})

        assert (news.events[-1][1].kind, news.events[-1][1].data) == (EventKind.RESULT, {})
        assert news.long == news.over == {lease.job.id}

    def test_of_a_job_over_long_ago_the_end_is_told(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "a"})
        redis_client.delete(f"{{aegis}}:job:{lease.job.id}:events")

        news = jobs.news({lease.job.id: None})

        assert [event.kind for _, event in news.events] == [EventKind.STATE, EventKind.RESULT]
        assert news.over == {lease.job.id}
        assert jobs.news(news.read).events == ()

    def test_a_job_that_is_gone_gets_no_more_events(self, jobs: JobStore) -> None:
        assert jobs.news({"nobody": None}).over == {"nobody"}

    def test_a_foreign_event_id_is_refused(self, jobs: JobStore) -> None:
        with pytest.raises(InvalidRequest):
            jobs.news({"x": "yesterday"})


class TestOldEvents:
    def test_of_a_job_over_long_ago_the_end_is_told(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.emit(lease, EventKind.TOKEN, {"text": "a"})
        jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "a"})
        whole = jobs.events(lease.job.id)
        assert 0 < redis_client.ttl(f"{{aegis}}:job:{lease.job.id}:events") <= 600

        redis_client.delete(f"{{aegis}}:job:{lease.job.id}:events")

        end = jobs.events(lease.job.id)
        assert end == whole[-2:]
        assert jobs.events(lease.job.id, after=whole[-3].id) == end
        assert jobs.events(lease.job.id, after=end[0].id) == end[1:]
        assert jobs.events(lease.job.id, after=end[-1].id) == []

    def test_the_same_progress_again_is_no_news(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.progress(lease, Progress(1, 2))
        assert jobs.progress(lease, Progress(1, 2))
        assert kinds(jobs, lease.job.id).count("progress") == 1
