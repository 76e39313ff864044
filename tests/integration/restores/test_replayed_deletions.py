"""Deletions after a backup, and documents that were published while it was made."""

from dataclasses import replace

import pytest

from rag.model import JobState, Stage
from tasks.documents.purge_jobs import assign_purge_job
from tasks.submit.submissions import Submissions
from tests.deliveries import finished, job_of
from tests.integration.inprocess import InProcess
from tests.integration.installations import (
    COLLECTION,
    backed_up,
    brought,
    ingested,
    names,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import killed, settled, until, until_points_are_read

RED = "The buoy is red."


class TestDeletions:
    """Made again, they take nothing that they did not take before, and all of that."""

    def test_a_document_that_was_accepted_since_the_switch_stays(
        self, tools: InProcess, desk: Submissions
    ) -> None:
        ingested(tools, desk, *names(2))
        backed_up(tools, desk)
        finished(tools, desk.delete_document(COLLECTION, "isle00").id)
        restore = restoring(desk, deletions=True)
        until(tools, restore, Stage.REPLAY)
        anew = brought(desk, "isle00", RED)

        assert succeeded(tools, restore)
        settled(tools)

        assert job_of(tools, anew).state is JobState.SUCCEEDED
        assert seen(tools)["isle00"] == f"{RED}\n"

    @pytest.mark.parametrize("state", ["open", "dead"])
    def test_what_was_on_its_way_then_does_not_come(
        self, tools: InProcess, desk: Submissions, state: str
    ) -> None:
        ingested(tools, desk, *names(2))
        backed_up(tools, desk)
        late = brought(desk, "isle00", RED)
        if state == "dead":
            killed(tools, late)
        finished(tools, desk.delete_document(COLLECTION, "isle00").id)

        assert succeeded(tools, restoring(desk, deletions=True))
        if state == "dead":
            desk.dead_letters.replay(late)
        settled(tools)

        assert seen(tools).keys() == {"isle01"}

    def test_an_ingestion_after_a_deletion_by_an_api_that_died_comes(
        self, tools: InProcess, desk: Submissions
    ) -> None:
        """The job of such a deletion is made by the sweeper, later than the document's."""
        ingested(tools, desk, *names(2))
        backed_up(tools, desk)
        removal = tools.documents.delete(COLLECTION, "isle00")
        assert removal is not None
        earlier = replace(removal, job_id="00000000-0000-7000-8000-00000000000d")  # long ago
        tools.documents.assign_purge(removal)
        anew = brought(desk, "isle00", RED)
        assign_purge_job(tools.jobs, tools.documents, earlier)

        assert succeeded(tools, restoring(desk, deletions=True))
        settled(tools)

        assert job_of(tools, anew).state is JobState.SUCCEEDED
        assert seen(tools)["isle00"] == f"{RED}\n"


class TestLateDocuments:
    """Published while the backup was made, so that it has their sources and not all of their points."""

    @pytest.fixture(autouse=True)
    def saved(self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch) -> None:
        ingested(tools, desk, *names(2))
        backup = desk.backups.back_up("incremental", "request").job.id
        until_points_are_read(tools, backup, monkeypatch)
        ingested(tools, desk, "late")
        assert succeeded(tools, backup)

    def sources(self, tools: InProcess) -> list[str]:
        return list(tools.blobs.keys(f"sources/{COLLECTION}-2"))

    def test_they_are_ingested_once(self, tools: InProcess, desk: Submissions) -> None:
        before = seen(tools)

        job = succeeded(tools, restoring(desk))
        settled(tools)

        assert job.result is not None
        assert (job.result["reingested"], job.result["replayed"]) == (1, 0)
        assert seen(tools) == before
        assert len(self.sources(tools)) == len(before)

    @pytest.mark.parametrize("again", [True, False])
    def test_one_that_was_deleted_since_comes_back_unless_it_is_to_be_deleted_again(
        self, tools: InProcess, desk: Submissions, again: bool
    ) -> None:
        before = seen(tools)
        finished(tools, desk.delete_document(COLLECTION, "late").id)

        job = succeeded(tools, restoring(desk, deletions=again))
        settled(tools)

        assert job.result is not None
        there = set(names(2)) | (set() if again else {"late"})
        assert job.result["undeleted"] == ([] if again else ["late"])
        assert seen(tools) == {name: text for name, text in before.items() if name in there}
        assert len(self.sources(tools)) == len(there)
