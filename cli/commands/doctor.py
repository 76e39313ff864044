"""``aegis doctor``: tries every part with a real call, and says what to do where something is wrong."""

from collections.abc import Iterator
from importlib.util import find_spec

from cli.client.client import Client
from cli.client.problems import NotAegisError
from cli.doctor import access, backups, blobs, broker, installation, queues, tracing
from cli.doctor.finding import Finding, run_check
from cli.supervisor.preflight import check_ports
from cli.tables.views import Column, View
from rag.backups.retention import Retention
from rag.backups.vault import Vault
from rag.blobs.store import ObstoreBlobs
from rag.errors import AegisError
from rag.journal.journal import Journal
from rag.redis.connection import connect
from rag.registry.keys import KeyRegistry
from rag.settings import Settings

_RUNTIME = "onnxruntime"

_MARKS = {"ok": "✓ ok", "note": "· note", "bad": "✗ bad"}
_COLOURS = {"ok": "green", "note": "cyan", "bad": "red"}

FINDINGS = View(
    columns=(
        Column("part", lambda row: str(row["part"]), wraps=True),
        Column("state", lambda row: _MARKS[row["state"]], style=lambda row: _COLOURS[row["state"]]),
        Column("what", lambda row: str(row["text"]), wraps=True),
        Column("ms", lambda row: "" if row["ms"] is None else f"{row['ms']:.1f}", right=True),
        Column("what to do", lambda row: str(row["remedy"]), style=lambda _: "cyan", wraps=True),
    ),
    fields=("part", "state", "text", "ms", "remedy"),
    none="Nothing was looked at.",
)


def examine(settings: Settings, client: Client) -> Iterator[Finding]:
    """One finding or more for each part, in the order in which a reader would go through them."""
    yield from installation.examine(settings)
    yield from access.examine(settings)
    yield from installation.examine_isolation(settings)
    yield run_check(
        blobs.PART, lambda: blobs.examine(settings, lambda: ObstoreBlobs.of(settings)), blobs.REMEDY
    )
    stack = _check_running(client)
    running = stack is not None
    yield stack or run_check("stack", lambda: _check_startable(settings))
    with connect(settings) as connection:
        findings = list(broker.examine(settings, connection, running=running))
        yield from findings
        if len(findings) > 1:  # the broker answers; without it nothing is known of keys and queues
            journal = Journal(ObstoreBlobs("memory:///"))  # keys are only read: none is made or revoked
            registry = KeyRegistry(connection, journal, Retention.of(settings).seconds)
            yield run_check(access.KEYS, lambda: access.examine_keys(settings, registry))
            yield from queues.examine(settings, connection, running=running)
    yield run_check(
        backups.PART,
        lambda: backups.examine(settings, lambda: Vault.of(settings), running=running),
        backups.REMEDY,
    )
    yield from _examine_work(settings, running=running)
    yield tracing.examine(settings)


def _examine_work(settings: Settings, *, running: bool) -> Iterator[Finding]:
    if find_spec(_RUNTIME) is None:
        text = "no model runtime is installed here, so nothing that workers do was tried"
        yield Finding("work", "note", text, "aegis doctor where workers run")
        return
    from cli.doctor import work  # noqa: PLC0415 - images without workers lack what it imports

    yield from work.examine(settings, running=running)


def _check_running(client: Client) -> Finding | None:
    """None when no API answers."""
    try:
        page = client.readiness()
    except NotAegisError:
        text = f"something that is not Aegis answers at {client.url}"
        return Finding("stack", "bad", text, "set API_PORT to another port")
    except AegisError:
        return None
    missing = [name for name, part in page["components"].items() if not part["ready"]]
    if missing:
        text = f"{client.url} answers, but not ready: {', '.join(missing)}"
        return Finding("stack", "bad", text, f"look into {client.url}/health/ready and the parts' logs")
    return Finding("stack", "ok", f"{client.url} answers, every component is ready")


def _check_startable(settings: Settings) -> Finding:
    check_ports(settings)
    return Finding("stack", "note", "not running; its ports are free", "aegis up")
