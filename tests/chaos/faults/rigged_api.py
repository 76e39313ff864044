"""The API with traps before a job is recorded (``api.accept``) and before it is queued (``api.publish``)."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from api.calls.parts import build
from api.main import create_app
from api.server import main
from rag.settings import load
from tasks.submit.submissions import prepare
from tests.chaos.faults.traps import Traps


def app_factory() -> FastAPI:
    settings = load()
    prepare(settings)
    parts = build(settings)
    traps, desk = Traps(settings.home), parts.submissions._acceptance
    desk._publish = _trapped(traps, "api.publish", desk._publish)
    desk._jobs.accept = _trapped(traps, "api.accept", desk._jobs.accept)
    return create_app(settings, parts)


def _trapped(traps: Traps, point: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def trapped(*arguments: Any, **named: Any) -> Any:
        traps.step_on(point)
        return call(*arguments, **named)

    return trapped


if __name__ == "__main__":
    main("tests.chaos.faults.rigged_api:app_factory")
