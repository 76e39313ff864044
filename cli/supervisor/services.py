"""The services of Aegis on one machine: which, in what order, and how each is seen to be ready."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from secrets import token_hex, token_urlsafe
from signal import Signals

from beat.command import command as beat_command
from cli.supervisor.probes import (
    HealthPage,
    engine_speaks,
    every,
    http_answers,
    port_accepts,
    redis_answers,
    redis_speaks,
    socket_accepts,
    unless_working,
)
from cli.supervisor.service import Service
from rag.redis.embedded import command as broker_command
from rag.settings import Settings
from rag.web.addresses import reachable
from tasks.lane_groups import LaneGroup, alone, lane_groups
from tasks.lanes import LANES

API, BEAT, FLOWER, BROKER, VECTORS, SMOLLM2 = "api", "beat", "flower", "broker", "vectors", "smollm2"

_FLOWER_OFFLINE_SECONDS = 60
_FLOWER_SAVE_SECONDS = 60  # it also saves when it stops
_FLOWER_COLUMNS = "name,uuid,state,received,runtime,worker,result"
_API_GRACEFUL_SECONDS = 5.0  # see api.server

_WORKER_HANG_SECONDS = 10.0  # added to the ten seconds that a heartbeat is valid
_BEAT_HANG_SECONDS = 15.0  # added to the fifteen of beat's own heartbeat
_BROKER_HANG_SECONDS = 120.0  # everything waits for the broker, so restarting it is the last resort

_DRAIN_SECONDS = 5.0  # to give back a stage that is not finished


Makers = Mapping[str, Callable[[], Service]]

ALONE = tuple(map(alone, LANES))
"""A worker for each lane, as in containers."""


def services(settings: Settings) -> list[Service]:
    """What the settings ask for. A role with an address of its own has no service here.

    Lanes share workers where SHARED_WORKERS has them. The workers share this machine, so each gets a
    METRICS_PORT of its own: the setting's, and the next ones.
    """
    groups = lane_groups(settings)
    made = {name: make() for name, make in makers(settings, groups).items()}
    for place, name in enumerate(map(_worker_name, groups)):
        own = {"WORKER_ID": token_hex(16)}
        if settings.metrics_port:
            own["METRICS_PORT"] = str(settings.metrics_port + place)
        made[name] = replace(made[name], environment={**made[name].environment, **own})
    return list(made.values())


def makers(settings: Settings, groups: Sequence[LaneGroup] = ALONE) -> Makers:
    """A function for each of :func:`services` that makes it, by its name and in their order.

    ``groups``: the lanes of each worker.
    To make the broker's makes its folder, and fails where the broker is not installed.
    """
    own = settings.health_token
    token = own.get_secret_value() if own else token_urlsafe()
    page = HealthPage(reachable(settings.listen_host), settings.api_port, token)
    stores = _stores(settings)
    needs = tuple(stores)
    workers = {_worker_name(each): partial(_worker, each, settings, page, needs) for each in groups}
    return {
        **stores,
        **({SMOLLM2: partial(_smollm2, settings)} if settings.answered_by == "smollm2" else {}),
        API: partial(_api, page, token),
        **workers,
        BEAT: partial(_beat, settings, page, needs),
        FLOWER: partial(_flower, settings, tuple(workers)),
    }


def _stores(settings: Settings) -> Makers:
    return {
        **({BROKER: partial(broker, settings)} if settings.embedded_broker else {}),
        **({VECTORS: partial(_vectors, settings)} if settings.qdrant_url is None else {}),
    }


def broker(settings: Settings) -> Service:
    """The embedded broker; makes its folder."""
    return Service(
        BROKER,
        (*broker_command(settings), "--logfile", ""),  # to stdout: our own log files stay small
        stop_rank=5,
        probe=redis_answers(settings.broker_socket, settings.broker_password),
        watch=redis_speaks(settings.broker_socket),
        hang_seconds=_BROKER_HANG_SECONDS,
        quiet=True,  # at every start it warns of kernel settings that do not matter here
        redis_log=True,
    )


def _vectors(settings: Settings) -> Service:
    return Service(
        VECTORS,
        (sys.executable, "-m", "rag.vectors.edge.server"),
        stop_rank=4,
        probe=socket_accepts(settings.vector_socket),
        watch=unless_working(engine_speaks(settings.vector_socket)),
        forked=True,
        stop_signals=((Signals.SIGTERM, 20.0),),
    )


def _beat(settings: Settings, page: HealthPage, needs: tuple[str, ...]) -> Service:
    return Service(
        BEAT,
        beat_command(settings),
        stop_rank=1,
        needs=needs,
        probe=page.shows(BEAT),
        watch=page.misses(BEAT),
        hang_seconds=_BEAT_HANG_SECONDS,
        forked=True,
    )


def _smollm2(settings: Settings) -> Service:
    return Service(
        SMOLLM2,
        (sys.executable, "-m", "workers.generation.smollm2"),
        stop_rank=3,
        probe=port_accepts("127.0.0.1", settings.smollm2_port),
        watch=unless_working(http_answers("127.0.0.1", settings.smollm2_port, "/health")),
        nice=5,
    )


def _api(page: HealthPage, token: str) -> Service:
    """Needs no other service to start: its health page says what is missing."""
    return Service(
        API,
        (sys.executable, "-m", "api.server"),
        stop_rank=0,
        probe=page.answers(),
        watch=page.answers(),
        stop_signals=((Signals.SIGTERM, _API_GRACEFUL_SECONDS + 3.0),),
        environment=_secret("HEALTH_TOKEN", token),
        audited=True,
        forked=True,
    )


def _secret(name: str, value: str) -> dict[str, str]:
    """A secret in a service's environment, which only its owner can read.

    The empty ``NAME_FILE`` overrides a file that this process was given.
    """
    return {name: value, f"{name}_FILE": ""}


def _worker_name(group: LaneGroup) -> str:
    return f"worker-{group.name}"


def _worker(group: LaneGroup, settings: Settings, page: HealthPage, needs: tuple[str, ...]) -> Service:
    names = [lane.name for lane in group.lanes]
    return Service(
        _worker_name(group),
        group.command(settings),
        stop_rank=2,
        needs=needs,
        probe=every(page.shows(name) for name in names),
        watch=every(page.misses(name) for name in names),
        hang_seconds=_WORKER_HANG_SECONDS,
        nice=group.nice,
        forked=True,
        stop_signals=((Signals.SIGTERM, settings.drain_seconds + _DRAIN_SECONDS),),
    )


def _flower(settings: Settings, needs: tuple[str, ...]) -> Service:
    """``needs``: the workers. Flower asks only at its start which workers there are.

    Flower could stop workers, so where it does not ask who comes it is read-only and its API is off.
    """
    host, port, secret = settings.listen_host, settings.flower_port, settings.flower_basic_auth
    command = [
        sys.executable, "-m", "cli.supervisor.flower",
        f"--address={host}", f"--port={port}", f"--url_prefix={settings.flower_prefix.strip('/')}",
        f"--max_tasks={settings.flower_max_tasks}", f"--max_workers={settings.flower_max_workers}",
        f"--purge_offline_workers={_FLOWER_OFFLINE_SECONDS}", f"--tasks_columns={_FLOWER_COLUMNS}",
        f"--persistent={settings.flower_persistent}", f"--db={settings.home / 'flower' / 'state'}",
        f"--state_save_interval={_FLOWER_SAVE_SECONDS * 1000}",
        f"--logging={settings.log_level.lower()}",
        *([] if settings.flower_closed else ["--read_only=True"]),
    ]  # fmt: skip
    password = _secret("FLOWER_BASIC_AUTH", secret.get_secret_value()) if secret else {}
    return Service(
        FLOWER,
        command,
        stop_rank=1,
        needs=needs,
        probe=port_accepts(reachable(host), port),
        watch=http_answers(reachable(host), port, "/healthcheck"),
        nice=5,
        forked=True,
        environment={**password, "FLOWER_UNAUTHENTICATED_API": "false"},
    )
