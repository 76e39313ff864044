"""Which options a worker may not be started with, and that tasks and routes fit."""

import logging
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from rag.errors import ConfigurationError, Unavailable
from rag.model import Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lane_groups import LaneGroup
from workers import warm_up
from workers.startup import Options, option_faults, route_faults

PREFORK = Options(LaneGroup.of(["parse"], "prefork"), slots="1", limits={"--time-limit": 900})
BACKUP = Options(LaneGroup.of(["backup"], "prefork"), slots="1", limits={"--time-limit": 14_400})
SOLO = Options(LaneGroup.of(["rerank"], "solo"), slots="1", limits={})
SHARED = Options(LaneGroup.of(["parse", "index"], "solo"), slots="1", limits={})


def _said_by(program: str, home: Path) -> str:
    """On standard error, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "AEGIS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return process.stderr


def test_a_worker_as_the_stack_starts_it_has_no_fault() -> None:
    assert list(option_faults(PREFORK, Settings())) == []
    assert list(option_faults(SOLO, Settings())) == []
    assert list(option_faults(BACKUP, Settings())) == []
    assert list(option_faults(SHARED, Settings())) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (replace(SOLO, limits={"--time-limit": 60}), "--time-limit does nothing on the solo pool"),
        (replace(SOLO, limits={"--soft-time-limit": 60}), "--soft-time-limit does nothing on the solo pool"),
        (replace(PREFORK, slots="4"), "--concurrency is 4"),
        (replace(PREFORK, slots="auto"), "--concurrency is auto"),
        (replace(PREFORK, limits={}), "without --time-limit a hanging task never ends: --time-limit 900"),
        (replace(PREFORK, limits={"--time-limit": 1020}), "less than VISIBILITY_TIMEOUT, 1020"),
        (replace(BACKUP, limits={}), "without --time-limit a hanging task never ends: --time-limit 14400"),
        (replace(BACKUP, limits={"--time-limit": 14_401}), "over BACKUP_STAGE_TIMEOUT: 14400 at most"),
        (replace(PREFORK, group=LaneGroup.of(["rerank"], "prefork")), "lane rerank needs --pool solo"),
        (
            replace(PREFORK, group=LaneGroup.of(["parse", "index"], "prefork")),
            "lane parse+index needs --pool solo",
        ),
    ],
)
def test_an_unsafe_option_is_named_with_what_to_change(options: Options, said: str) -> None:
    (fault,) = option_faults(options, Settings())

    assert said in fault
    assert "\n" not in fault


@pytest.mark.parametrize("pool", ["threads", "gevent", "eventlet"])
def test_a_pool_that_no_lane_has_is_refused(pool: str) -> None:
    faults = list(option_faults(replace(PREFORK, group=LaneGroup.of(["parse"], pool)), Settings()))

    assert f"--pool is {pool}, and lane parse needs --pool prefork" in faults[0]


@pytest.mark.parametrize(
    "queues", [(), ("parse", "embed"), ("nonsense",), ("parse", "nonsense"), ("parse", "embed-query")]
)
def test_a_worker_serves_one_lane_or_several_that_may_share_it(queues: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="exactly one lane: --queues with one of parse"):
        LaneGroup.of(queues, "solo")


def test_what_a_worker_says_while_it_prepares_is_a_line_as_any_other(tmp_path: Path) -> None:
    program = """
        import logging
        from workers import main

        main.require_lane({"queues": ["parse"], "loglevel": logging.WARNING})
        logging.getLogger("workers.tools").warning("waiting")
    """
    assert re.fullmatch(r"\S+ \S+ WARNING worker-parse workers\.tools waiting\n", _said_by(program, tmp_path))


def test_what_a_worker_tries_again_is_said_in_words_once(tmp_path: Path) -> None:
    program = """
        import logging, stamina
        from workers import main

        main.require_lane({"queues": ["embed"], "loglevel": logging.WARNING})
        try:
            for attempt in stamina.retry_context(on=ValueError, attempts=4, wait_initial=0.01, wait_max=0.01):
                with attempt:
                    raise ValueError("the server is busy")
        except ValueError:
            pass
    """

    (line,) = _said_by(program, tmp_path).splitlines()

    assert re.search(r" WARNING worker-embed workers\.main tried again in 0\.0 s: the server is busy$", line)


def test_an_engine_that_is_waited_for_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine: Any = SimpleNamespace(ping=Mock(side_effect=[Unavailable("away"), Unavailable("away"), None]))
    monkeypatch.setattr(warm_up, "sleep", lambda _: None)

    with caplog.at_level(logging.WARNING):
        warm_up.wait_for_engine(engine)

    assert caplog.messages == ["waiting for the vector engine: away"]


def test_every_task_has_a_route_and_every_route_a_task() -> None:
    app.import_tasks()

    assert list(route_faults(app)) == []


def test_gaps_between_tasks_and_routes_are_named() -> None:
    routes = {"aegis.parse": {"queue": "parse"}, "aegis.gone": {"queue": "nowhere"}}
    other: Any = SimpleNamespace(
        tasks={"aegis.parse": None, "aegis.stray": None, "celery.group": None},
        conf=SimpleNamespace(task_routes=routes),
        stages={Stage.PARSE: None},
    )

    faults = list(route_faults(other))

    assert "no function does the work of stage embed: import its module in tasks/app.py" in faults
    assert "task aegis.stray has no route: add one in tasks/app.py" in faults
    assert any(fault.startswith("route aegis.gone has no task") for fault in faults)
    assert any(fault.startswith("route aegis.gone leads to nowhere") for fault in faults)
