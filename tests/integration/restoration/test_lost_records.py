"""Redis loses its data: nothing is answered wrongly, and a restoration is asked for once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import Unavailable
from rag.model import DocumentVersion, JobState, Progress, Stage
from rag.settings import Settings
from tasks.upkeep import rebuild
from tasks.upkeep.rebuild import Overseer, rebuild_records
from tests.deliveries import begin
from tests.integration.restoration.promises import (
    MODEL,
    all_documents,
    asked,
    begun,
    listed,
    published,
    submitted,
    to_run,
)
from workers.tools import Tools


class TestFence:
    def test_nothing_is_answered_from_nothing(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        lease = begun(tools, job, Stage.PARSE)
        live = published(tools, "b")
        jobs, documents = tools.jobs, tools.documents
        calls: list[Callable[[], object]] = [
            jobs.ping,
            lambda: jobs.get(job.id),
            lambda: begin(jobs, job.id, Stage.PARSE, lease_seconds=30),
            lambda: jobs.extend(lease, lease_seconds=30),
            lambda: jobs.progress(lease, Progress(1, 2)),
            lambda: jobs.advance(lease, Stage.EMBED, seconds=1),
            lambda: jobs.requeue(lease, error={}),
            lambda: jobs.put_artefact(lease, "a", b"1"),
            lambda: jobs.cancel(job.id),
            lambda: jobs.retry(job.id),
            lambda: jobs.due([Stage.PARSE], lease_seconds=30),
            lambda: jobs.events(job.id),
            lambda: asked(tools),
            lambda: listed(tools),
            lambda: documents.put_collection("docs", MODEL, 384),
            lambda: documents.collection("docs"),
            documents.collections,
            lambda: documents.drop_collection("docs"),
            lambda: documents.next_version("docs", "b"),
            lambda: documents.publish(live),
            lambda: documents.get("docs", "b"),
            lambda: all_documents(tools),
            lambda: documents.delete("docs", "b"),
            lambda: documents.superseded("docs", 1, DocumentVersion("b", 1)),
        ]
        lose()

        for call in calls:
            with pytest.raises(Unavailable, match="lost its records") as refusal:
                call()
            assert refusal.value.retry_after == 2

    def test_an_end_that_was_lost_is_not_claimed(self, tools: Tools, lose: Callable[[], None]) -> None:
        lease = begun(tools, submitted(tools), Stage.PARSE)
        lose()
        with pytest.raises(Unavailable):
            tools.jobs.finish(lease, JobState.SUCCEEDED, result={})

    def test_a_first_start_has_nothing_to_restore(self, tools: Tools, lose: Callable[[], None]) -> None:
        lose()

        rebuild_records(tools.restoration)

        tools.jobs.ping()
        assert tools.restoration.recovery.intact()
        assert (listed(tools), to_run(tools)) == ([], [])
        assert rebuild_records(tools.restoration) == "nothing to do"


class TestOverseer:
    @pytest.fixture
    def asks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asks: list[str] = []
        monkeypatch.setattr(rebuild.restore, "apply_async", lambda: asks.append("restore"))
        return asks

    def test_it_asks_once_for_what_is_out_of_order(
        self, tools: Tools, lose: Callable[[], None], asks: list[str]
    ) -> None:
        overseer = Overseer(tools.restoration.recovery)
        overseer.look()
        assert asks == []
        lose()

        overseer.look()
        overseer.look()

        assert asks == ["restore"]

    def test_it_does_not_ask_for_what_is_under_way(
        self, tools: Tools, lose: Callable[[], None], asks: list[str]
    ) -> None:
        lose()
        with tools.restoration.recovery.claimed() as claim:
            assert claim is not None
            Overseer(tools.restoration.recovery).look()
        assert asks == []

    def test_a_server_that_is_away_is_unavailable(self, tmp_path: Path, asks: list[str]) -> None:
        away = Tools(Settings(redis_url="unix:///nowhere/at-all.sock", aegis_home=tmp_path))
        with pytest.raises(Unavailable):
            Overseer(away.restoration.recovery).look()
