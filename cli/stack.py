"""The parts of Aegis on one machine: which, in what order, and how each is seen to be ready."""

import sys
from secrets import token_urlsafe
from signal import Signals

from beat.main import command as beat_command
from cli.part import Part
from cli.readiness import (
    HealthPage,
    engine_speaks,
    http_answers,
    port_accepts,
    redis_answers,
    redis_speaks,
    socket_accepts,
    unless_working,
)
from rag.addresses import reachable
from rag.settings import Settings
from rag.stores.broker import command as broker_command
from tasks.app import LANES, Lane

API, BEAT, FLOWER, BROKER, VECTORS, SMOLLM2 = "api", "beat", "flower", "broker", "vectors", "smollm2"

_FLOWER_TASKS = 10_000
_FLOWER_OFFLINE_SECONDS = 60
_API_GRACEFUL_SECONDS = 5.0  # see api.server

_WORKER_PATIENCE = 10.0  # on top of the ten seconds for which a sign of life holds
_BEAT_PATIENCE = 15.0  # on top of the fifteen of its own sign
_BROKER_PATIENCE = 120.0  # all wait for it, so its end must be the last resort

_DRAINING_SECONDS = 5.0  # to give back a stage that is not finished


def parts(settings: Settings) -> list[Part]:
    """What the settings ask for. A role with an address of its own has no part here."""
    own = settings.health_token
    token = own.get_secret_value() if own else token_urlsafe()
    page = HealthPage(reachable(settings.listen_host), settings.api_port, token)
    stores = [*_broker(settings), *_vectors(settings)]
    needs = tuple(part.name for part in stores)
    workers = [_worker(lane, settings, page, needs) for lane in LANES]
    return [
        *stores,
        *_smollm2(settings),
        _api(page, token),
        *workers,
        _beat(settings, page, needs),
        _flower(settings, tuple(worker.name for worker in workers)),
    ]


def _broker(settings: Settings) -> list[Part]:
    """Its log goes where everybody's goes, which is kept short. It warns at every start of kernel
    settings that do not matter here, so nothing of it is shown."""
    if not settings.embedded_broker:
        return []
    return [
        Part(
            BROKER,
            (*broker_command(settings), "--logfile", ""),
            stop_rank=5,
            probe=redis_answers(settings.broker_socket),
            watch=redis_speaks(settings.broker_socket),
            patience=_BROKER_PATIENCE,
            quiet=True,
            foreign=True,
        )
    ]


def _vectors(settings: Settings) -> list[Part]:
    if settings.qdrant_url is not None:
        return []
    return [
        Part(
            VECTORS,
            (sys.executable, "-m", "rag.stores.vectors.engine"),
            stop_rank=4,
            probe=socket_accepts(settings.vector_socket),
            watch=unless_working(engine_speaks(settings.vector_socket)),
            farewell=((Signals.SIGTERM, 20.0),),
        )
    ]


def _smollm2(settings: Settings) -> list[Part]:
    if settings.answered_by != "smollm2":
        return []
    return [
        Part(
            SMOLLM2,
            (sys.executable, "-m", "workers.generation.smollm2"),
            stop_rank=3,
            probe=port_accepts("127.0.0.1", settings.smollm2_port),
            watch=unless_working(http_answers("127.0.0.1", settings.smollm2_port, "/health")),
            nice=5,
        )
    ]


def _api(page: HealthPage, token: str) -> Part:
    """Needs nobody to start: until the others are there, it says so.

    The token goes by the environment, where only its owner can read it.
    """
    return Part(
        API,
        (sys.executable, "-m", "api.server"),
        stop_rank=0,
        probe=page.answers(),
        watch=page.answers(),
        farewell=((Signals.SIGTERM, _API_GRACEFUL_SECONDS + 3.0),),
        environment=_secret("HEALTH_TOKEN", token),
        audited=True,
    )


def _secret(name: str, value: str) -> dict[str, str]:
    """A secret for a part, whatever file of it this process was given: an empty ``NAME_FILE`` is none."""
    return {name: value, f"{name}_FILE": ""}


def _worker(lane: Lane, settings: Settings, page: HealthPage, needs: tuple[str, ...]) -> Part:
    return Part(
        f"worker-{lane.name}",
        lane.command(settings),
        stop_rank=2,
        needs=needs,
        probe=page.shows(lane.name),
        watch=page.misses(lane.name),
        patience=_WORKER_PATIENCE,
        nice=lane.nice,
        forked=True,
        farewell=((Signals.SIGTERM, settings.drain_seconds + _DRAINING_SECONDS),),
    )


def _beat(settings: Settings, page: HealthPage, needs: tuple[str, ...]) -> Part:
    return Part(
        BEAT,
        beat_command(settings),
        stop_rank=1,
        needs=needs,
        probe=page.shows(BEAT),
        watch=page.misses(BEAT),
        patience=_BEAT_PATIENCE,
        forked=True,
    )


def _flower(settings: Settings, needs: tuple[str, ...]) -> Part:
    """The password goes by the environment, where only its owner can read it.

    Without one Flower only shows, since it could stop workers, and its API is off. It asks
    once, at its start, which workers there are, so it starts after them.
    """
    command = [
        sys.executable, "-m", "cli.flower",
        f"--address={settings.listen_host}", f"--port={settings.flower_port}",
        f"--max_tasks={_FLOWER_TASKS}", f"--purge_offline_workers={_FLOWER_OFFLINE_SECONDS}",
        f"--logging={settings.log_level.lower()}",
    ]  # fmt: skip
    secret = settings.flower_basic_auth
    environment = _secret("FLOWER_BASIC_AUTH", secret.get_secret_value()) if secret else {}
    if secret is None:
        command.append("--read_only=True")
    return Part(
        FLOWER,
        command,
        stop_rank=1,
        needs=needs,
        probe=port_accepts(reachable(settings.listen_host), settings.flower_port),
        watch=http_answers(reachable(settings.listen_host), settings.flower_port, "/healthcheck"),
        nice=5,
        environment={**environment, "FLOWER_UNAUTHENTICATED_API": "false"},
    )
