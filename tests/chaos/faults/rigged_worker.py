"""A worker whose tools have traps in them: ``celery -A tests.chaos.faults.rigged_worker worker``.

Points are ``<lane>.<method>`` of every role, for the worker's lanes and those of its follow-ups; texts may be
poison: see ``poisons``.
"""

from collections.abc import Iterable
from typing import Any

from celery import signals

from tasks.lanes import lane_of
from tasks.stages import retry_while_away
from tasks.toolbox import Toolbox
from tests.chaos.faults.poisons import taste
from tests.chaos.faults.traps import Traps
from workers.main import app

__all__ = ["app"]

_ROLES = frozenset(
    ("jobs", "documents", "parser", "recogniser", "vectors", "reranker", "generator", "vault", "snapshots")
)

_REST = 2.0
"""Seconds until a part that was away is tried again: whoever waits for it here has brought it back."""


class RiggedRole:
    """A role's implementation with a trap before every call; a method is the same object each time."""

    def __init__(self, role: Any, lanes: Iterable[str], traps: Traps) -> None:
        self._role = role
        self._lanes = lanes
        self._traps = traps
        self._calls: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._role, name)
        if not callable(value):
            return value
        if name not in self._calls:
            self._calls[name] = self._trapped(name, value)
        return self._calls[name]

    def _trapped(self, name: str, value: Any) -> Any:

        def call(*arguments: Any, **named: Any) -> Any:
            for lane in self._lanes:
                self._traps.step_on(f"{lane}.{name}")
            if name == "embed_passages":
                taste(arguments[0])
            return value(*arguments, **named)

        return call


class RiggedTools:
    """The worker's own tools, their roles rigged."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools
        lanes = (*app.amqp.queues.consume_from, *(lane_of(stage).name for stage in tools.follow_ups))
        self._lanes = tuple(dict.fromkeys(lanes))
        self._traps = Traps(tools.settings.home)
        self._rigged: dict[int, RiggedRole] = {}

    def embedder(self, model: str, dimension: int, *, fresh: bool = False, tenant: str = "") -> RiggedRole:
        return self._role(self._tools.embedder(model, dimension, fresh=fresh))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._tools, name)
        return self._role(value) if name in _ROLES else value

    def _role(self, role: Any) -> RiggedRole:
        return self._rigged.setdefault(id(role), RiggedRole(role, self._lanes, self._traps))


@signals.worker_init.connect
def rig(**_: Any) -> None:
    """After ``workers.main`` has built the tools, since its handler was connected before."""
    retry_while_away.REST = _REST
    app.toolbox = RiggedTools(app.toolbox)
