"""A restoration that is repeated, interrupted, or made by many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from rag.errors import Unavailable
from rag.journal.journal import Journal
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.restoration.promises import (
    MODEL,
    all_documents,
    asked,
    failing,
    found,
    listed,
    over,
    published,
    submitted,
    to_run,
)
from workers.tools import Tools


class TestRestoring:
    def test_twice_changes_nothing(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        job, ended, live = submitted(tools), over(tools, asked(tools)), published(tools)
        lose()
        rebuild_records(tools.restoration)
        first = found(tools, job), found(tools, ended), all_documents(tools)
        redis_client.delete("{aegis}:intact")

        rebuild_records(tools.restoration)

        assert (found(tools, job), found(tools, ended), all_documents(tools)) == first
        assert first[2].items == (live,)
        assert to_run(tools) == [job.id]

    def test_by_many_at_once_happens_once(self, tools: Tools, lose: Callable[[], None]) -> None:
        jobs = [submitted(tools) for _ in range(20)]
        lose()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: rebuild_records(tools.restoration), range(8)))

        assert sorted(to_run(tools)) == sorted(job.id for job in jobs)
        assert tools.restoration.recovery.intact()

    @pytest.mark.parametrize("broken", ["collection", "documents", "restore"])
    def test_when_interrupted_nothing_is_answered_and_the_next_one_completes_it(
        self,
        tools: Tools,
        lose: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
        broken: str,
    ) -> None:
        jobs = [submitted(tools) for _ in range(3)]
        documents = [published(tools, f"d{n}") for n in range(3)]
        tools.documents.put_collection("another", MODEL, 8)
        lose()
        part = tools.restoration.jobs if broken == "restore" else tools.restoration.documents
        with monkeypatch.context() as patch:
            patch.setattr("rag.journal.journal._BATCH", 1)
            patch.setattr(type(part), broken, after(1, getattr(type(part), broken)))
            with pytest.raises(Unavailable, match="full"):
                rebuild_records(tools.restoration)
        with pytest.raises(Unavailable, match="lost its records"):
            listed(tools)

        rebuild_records(tools.restoration)

        assert sorted(listed(tools)) == sorted(to_run(tools)) == sorted(job.id for job in jobs)
        assert all_documents(tools).items == tuple(documents)

    def test_a_loss_in_the_middle_is_noticed(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live = published(tools)
        submitted(tools)
        lose()
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "ended_jobs", lambda _: iter([lose() or []]))
            with pytest.raises(Unavailable, match="again"):
                rebuild_records(tools.restoration)
        with pytest.raises(Unavailable):
            tools.jobs.ping()

        rebuild_records(tools.restoration)

        assert all_documents(tools).items == (live,)


def after(calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """``real`` for so many calls, then failing."""
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        return real(*args) if next(left, None) is not None else failing()

    return call
