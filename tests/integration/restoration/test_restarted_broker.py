"""Redis comes back with what it had on disk: what its last second lacks is restored."""

from collections.abc import Callable, Iterator

import pytest
import redis

from rag.model import JobState, Stage
from rag.registry.registry import RedisDocumentRegistry
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.restoration.promises import (
    asked,
    begun,
    failing,
    found,
    listed,
    over,
    published,
    submitted,
    to_run,
)
from workers.tools import Tools


class TestRestart:
    """The broker came back with what it had on disk, perhaps without its last second."""

    @pytest.fixture(autouse=True)
    def restarted(self, tools: Tools, redis_client: redis.Redis) -> Iterator[Callable[[], None]]:
        return lambda: redis_client.set("{aegis}:intact", "an earlier run") and None

    def test_it_is_noticed_while_everything_is_answered(
        self, tools: Tools, restarted: Callable[[], None]
    ) -> None:
        job = submitted(tools)
        restarted()
        assert not tools.restoration.recovery.intact()
        assert found(tools, job) == job

        rebuild_records(tools.restoration)

        assert tools.restoration.recovery.intact()
        assert found(tools, job) == job

    def test_jobs_and_documents_of_the_last_second_come_back(
        self, tools: Tools, restarted: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        older, running = over(tools, submitted(tools)), submitted(tools)
        begun(tools, running, Stage.PARSE)
        published(tools, "b")
        disk = {key: redis_client.dump(key) for key in redis_client.scan_iter("*")}
        lost_job, lost_document = submitted(tools), published(tools, "b")
        lost_end = over(tools, asked(tools))
        redis_client.flushall()
        for key, value in disk.items():
            redis_client.restore(key, 0, value)
        restarted()

        rebuild_records(tools.restoration)

        assert sorted(listed(tools)) == sorted(job.id for job in (older, running, lost_job, lost_end))
        assert found(tools, lost_end) == lost_end
        assert found(tools, running).state is JobState.RUNNING
        assert to_run(tools) == [lost_job.id]
        assert tools.documents.get("docs", "b") == lost_document

    def test_an_end_without_entry_gets_it(
        self,
        tools: Tools,
        restarted: Callable[[], None],
        lose: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "end", failing)
            job = over(tools, submitted(tools))
        restarted()
        rebuild_records(tools.restoration)

        lose()
        rebuild_records(tools.restoration)

        assert found(tools, job) == job

    def test_a_collection_that_redis_knows_better_is_left(
        self, tools: Tools, restarted: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        published(tools)
        RedisDocumentRegistry(redis_client).drop_collection("docs")
        restarted()

        rebuild_records(tools.restoration)

        assert tools.documents.collections() == ()
