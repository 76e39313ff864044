"""A worker whose tools have traps in them: ``celery -A tests.chaos.faults.rigged_worker worker``.

Points are ``<lane>.<method>`` of every role; texts may be poison: see ``poisons``.
"""

from typing import Any

from celery import signals

from tasks.toolbox import Toolbox
from tests.chaos.faults.poisons import taste
from tests.chaos.faults.traps import Traps
from workers.main import app

__all__ = ["app"]

_ROLES = frozenset(("jobs", "documents", "parser", "vectors", "reranker", "generator"))


class RiggedRole:
    """A role's implementation with a trap before every call."""

    def __init__(self, role: Any, lane: str, traps: Traps) -> None:
        self._role = role
        self._lane = lane
        self._traps = traps

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._role, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            self._traps.step_on(f"{self._lane}.{name}")
            if name == "embed_passages":
                taste(arguments[0])
            return value(*arguments, **named)

        return call


class RiggedTools:
    """The worker's own tools, their roles rigged."""

    def __init__(self, tools: Toolbox, lane: str) -> None:
        self._tools = tools
        self._lane = lane
        self._traps = Traps(tools.settings.home)

    def embedder(self, model: str, dimension: int) -> RiggedRole:
        return RiggedRole(self._tools.embedder(model, dimension), self._lane, self._traps)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._tools, name)
        return RiggedRole(value, self._lane, self._traps) if name in _ROLES else value


@signals.worker_init.connect
def rig(sender: Any, **_: Any) -> None:
    """After ``workers.main`` has built the tools, since its handler was connected before."""
    (lane,) = sender.app.amqp.queues.consume_from
    app.toolbox = RiggedTools(app.toolbox, lane)
