"""What every JobStore must list, page by page."""

from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, all_pages, begun, new_job


class TestPage:
    def test_newest_first_and_each_once(self, jobs: JobStore) -> None:
        ids = [accepted(jobs) for _ in range(9)]
        begun(jobs, ids[4])
        assert all_pages(jobs) == ids[::-1]

    def test_an_empty_store_has_an_empty_page(self, jobs: JobStore) -> None:
        assert all_pages(jobs) == []

    def test_by_state_and_kind(self, jobs: JobStore) -> None:
        ingests = [accepted(jobs) for _ in range(4)]
        queries = [accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY)) for _ in range(4)]
        jobs.finish(begun(jobs, ingests[1]), JobState.FAILED)
        begun(jobs, queries[2], Stage.EMBED_QUERY)

        assert all_pages(jobs, kinds=[JobKind.INGEST]) == ingests[::-1]
        assert all_pages(jobs, states=[JobState.FAILED]) == [ingests[1]]
        assert all_pages(jobs, states=[JobState.RUNNING]) == [queries[2]]
        assert all_pages(jobs, states=[JobState.QUEUED], kinds=[JobKind.QUERY]) == [
            queries[i] for i in (3, 1, 0)
        ]
        assert all_pages(jobs, states=[JobState.DEAD]) == []

    def test_a_page_ends_before_its_records_are_too_many_bytes(self, jobs: JobStore) -> None:
        result = {"answer": "x" * 900_000}
        ids = [accepted(jobs) for _ in range(10)]
        for job_id in ids:
            assert jobs.finish(begun(jobs, job_id), JobState.SUCCEEDED, result=result)

        for collections in (None, ["docs"]):
            found, cursor, sizes = [], None, []
            while not sizes or cursor:
                window = jobs.page(collections=collections, cursor=cursor, limit=200)
                found += [job.id for job in window.items]
                sizes.append(len(window.items))
                cursor = window.next
            assert found == ids[::-1]
            assert sizes == [4, 4, 2]

    def test_a_record_over_all_bounds_is_a_page_by_itself(self, jobs: JobStore) -> None:
        ids = [accepted(jobs) for _ in range(3)]
        assert jobs.finish(begun(jobs, ids[1]), JobState.SUCCEEDED, result={"answer": "x" * 5_000_000})

        window = jobs.page(collections=None, cursor=ids[2], limit=9)

        assert [job.id for job in window.items] == [ids[1]]
        assert window.next == ids[1]

    def test_by_collection(self, jobs: JobStore) -> None:
        ids = [accepted(jobs, new_job(collection=f"c{i % 3}")) for i in range(15)]

        assert all_pages(jobs, collections=["c1"]) == ids[1::3][::-1]
        assert all_pages(jobs, collections=["c0", "c2"]) == [i for n, i in enumerate(ids) if n % 3 != 1][::-1]
        assert all_pages(jobs, collections=[]) == []
        assert all_pages(jobs, collections=["other"]) == []
