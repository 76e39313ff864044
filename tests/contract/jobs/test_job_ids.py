"""An id that names what belongs to another record is no job's."""

import pytest

from rag.errors import NotFound
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, record_of


@pytest.mark.parametrize("ending", [":events", ":artefacts", "}", "\n", "*", "\x00", "é"])
class TestAnIdWithOtherCharacters:
    def test_there_is_no_such_job(self, jobs: JobStore, ending: str) -> None:
        assert jobs.get(accepted(jobs) + ending) is None

    @pytest.mark.parametrize("change", ["cancel", "retry", "drop"])
    def test_nothing_is_changed(self, jobs: JobStore, ending: str, change: str) -> None:
        job_id = accepted(jobs)
        before = record_of(jobs, job_id)

        with pytest.raises(NotFound):
            getattr(jobs, change)(job_id + ending)
        assert record_of(jobs, job_id) == before
