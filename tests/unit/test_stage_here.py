"""A stage that is begun by another one in the same process is no delivery of a message of its own."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

import tasks.answer  # noqa: F401 - registers the stages
from rag.model import Stage
from tasks import stage as stages
from tasks.app import app, task_name
from tasks.run import Next

MOST = 20


def test_a_message_of_a_later_stage_begins_the_first_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else jobs that never run out nest one in another, until the stack is full or the worker is ended."""
    begun: list[tuple[Stage, str, int | None]] = []

    def perform(
        _tools: Any, stage: Stage, _work: Any, job_id: str, *, together: bool, sent: int | None
    ) -> str:
        begun.append((stage, job_id, sent))
        if stage is Stage.SEARCH and len(begun) < MOST:
            stages._gone_on(_searched("other"), {"other": "next: rerank"})
        return "next"

    monkeypatch.setattr(stages, "perform", perform)
    monkeypatch.setattr(stages, "goes_on_here", lambda *_: True)
    monkeypatch.setattr(app, "toolbox", SimpleNamespace(drain=SimpleNamespace(asked=False)), raising=False)
    task = app.tasks[task_name(Stage.RERANK)]
    task.push_request(id="named.rerank.2")
    try:
        task.run("named")
    finally:
        task.pop_request()

    assert begun == [(Stage.RERANK, "named", 2), (Stage.SEARCH, "", None), (Stage.RERANK, "other", None)]


def _searched(job_id: str) -> Sequence[Any]:
    run = SimpleNamespace(job=SimpleNamespace(id=job_id))
    return [SimpleNamespace(run=run, end=Next(Stage.RERANK, lambda *_: {}))]
