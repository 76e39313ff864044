"""What was installed and how it is set up: nothing of it needs a server."""

import shutil
import sys
from collections.abc import Iterator

from cli.examination.finding import Finding, found
from rag.settings import Settings
from rag.settings.sources import ENVIRONMENT, read
from tasks.app import LANES, app
from workers.embedding.files import model_files
from workers.generation import smollm2
from workers.startup import route_faults

_ROOM_BYTES = 2 * 1024**3


def examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", "ok", sys.version.split()[0])
    yield from _settings(settings)
    yield _times(settings)
    yield _routes()
    yield _limits(settings)
    yield _room(settings)
    yield found("bundled models", lambda: _models(settings), "aegis setup")


def _settings(settings: Settings) -> Iterator[Finding]:
    reading = read(Settings)
    sources = " and ".join([ENVIRONMENT, *reading.files])
    yield Finding("settings", "ok", f"valid, environment {settings.environment}, from the {sources}")
    for line in reading.warnings:
        yield Finding("settings", "note", line, "aegis config check")
    for line in reading.remarks:
        yield Finding("settings", "note", line)


def _times(settings: Settings) -> Finding:
    """They are in order, or the settings would not have been valid."""
    chain = " < ".join(f"{what} {seconds:g}" for what, seconds in _chain(settings))
    return Finding("times", "ok", f"{chain} s")


def _chain(settings: Settings) -> tuple[tuple[str, float], ...]:
    return (
        ("lease", settings.lease_seconds),
        ("hard limit", settings.stage_timeout),
        ("visibility timeout", settings.visibility_timeout),
        ("stale lease", settings.stale_lease_seconds),
    )


def _routes() -> Finding:
    app.loader.import_default_modules()
    faults = list(route_faults(app))
    if faults:
        return Finding("routes", "bad", "; ".join(faults), "install this version of Aegis again")
    return Finding("routes", "ok", f"{len(LANES)} lanes; every route has a task and every task a route")


def _limits(settings: Settings) -> Finding:
    """Workers refuse to start with others."""
    solo = ", ".join(lane.name for lane in LANES if lane.pool == "solo")
    text = (
        f"{settings.stage_timeout:g} s by the prefork pools, {settings.backup_stage_timeout:g} s by that of "
        f"backups; {settings.interactive_timeout:g} s by the supervisor in {solo}, whose pool knows none"
    )
    return Finding("time limits", "ok", text)


def _room(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{settings.home}: {free / 1024**3:.1f} GB free"
    if free < _ROOM_BYTES:
        return Finding("disk", "bad", text, "free some space: at least 2 GB should be left")
    return Finding("disk", "ok", text)


def _models(settings: Settings) -> Finding:
    """A bundled model is tried by :mod:`cli.examination.models`, where it is in use."""
    if settings.answered_by == "smollm2" and (missing := smollm2.missing()):
        return Finding("bundled models", "bad", f"{', '.join(missing)} missing", smollm2.INSTALL)
    if not model_files(settings.model_dir).complete():
        return Finding("bundled models", "bad", "the embedding model is not built", "aegis setup")
    return Finding("bundled models", "ok", "the embedding model is built")
