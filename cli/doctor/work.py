"""Tries what workers do: routes of tasks, bundled models, the vector store with a search, each model."""

from collections.abc import Iterator

from cli.doctor import models, vectors
from cli.doctor.finding import Finding, run_check
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import LANES
from workers.generation import smollm2
from workers.setup import missing_models, needed_models
from workers.startup import route_faults
from workers.tools import Tools


def examine(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers."""
    yield _check_routes()
    yield run_check("bundled models", lambda: _check_models(settings), "aegis setup")
    tools = Tools(settings)
    yield from vectors.examine(settings, tools, running=running)
    yield from models.examine(settings, tools)


def _check_routes() -> Finding:
    app.import_tasks()
    if faults := list(route_faults(app)):
        return Finding("routes", "bad", "; ".join(faults), "install this version of Aegis again")
    return Finding("routes", "ok", f"{len(LANES)} lanes; every route has a task and every task a route")


def _check_models(settings: Settings) -> Finding:
    """Whether the files are there; :mod:`cli.doctor.models` tries the models that are in use."""
    if settings.answered_by == "smollm2" and (missing := smollm2.missing()):
        return Finding("bundled models", "bad", f"{', '.join(missing)} missing", smollm2.INSTALL)
    if unbuilt := missing_models(settings, settings.model_dir):
        names = ", ".join(release.name for release in unbuilt)
        return Finding("bundled models", "bad", f"not built: {names}", "aegis setup")
    names = ", ".join(release.name for release in needed_models(settings))
    return Finding("bundled models", "ok", f"built: {names}")
