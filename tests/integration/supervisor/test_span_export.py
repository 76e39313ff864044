"""Spans leave a process in batches, and nothing waits for a collector that is away or hangs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.collector import Collector, collecting
from tests.system.running import until

ROOT = Path(__file__).parents[3]

TRACED = """
import json, logging, os, sys, time
from rag.telemetry import tracing
from rag.model import Job, JobKind, JobState, Stage
from rag.settings import load
logging.basicConfig(level="INFO")
end = tracing.start(load(), "aegis-test")
of = os.environ.get("TRACE")
job = Job("j1", JobKind.QUERY, JobState.RUNNING, Stage.SEARCH, "docs", {}, 0.0, 0.0, trace=of)
began = time.monotonic()
for _ in range(int(sys.argv[1])):
    with tracing.attempted(job, "rerank"):
        pass
worked = time.monotonic()
end()
sdk = any(name.startswith("opentelemetry.sdk") for name in sys.modules)
print(json.dumps({"work": worked - began, "end": time.monotonic() - worked, "sdk": sdk}))
"""


def run(spans: int, **settings: str) -> tuple[dict[str, Any], str]:
    """What a process that makes so many spans tells, and its log."""

    done = subprocess.run(
        [sys.executable, "-c", TRACED, str(spans)],
        env={**os.environ, **settings}, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told, done.stderr


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture
def deaf() -> Iterator[str]:
    """A collector that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_the_spans_that_are_left_are_sent_at_the_end(collector: Collector) -> None:
    run(7, JAEGER_ENDPOINT=collector.url, ENVIRONMENT="test")

    until(lambda: len(collector.spans) == 7)
    assert {seen.service for seen in collector.spans} == {"aegis-test"}


def test_a_share_of_traces_is_sent_and_a_caller_decides_for_its_own(collector: Collector) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    collector.spans.clear()

    run(20, JAEGER_ENDPOINT=collector.url, TRACES_SAMPLE_RATIO="0")
    run(20, JAEGER_ENDPOINT=collector.url, TRACE=f"00-{trace}-b7ad6b7169203331-00")
    run(3, JAEGER_ENDPOINT=collector.url, TRACES_SAMPLE_RATIO="0", TRACE=f"00-{trace}-b7ad6b7169203331-01")
    run(200, JAEGER_ENDPOINT=collector.url, TRACES_SAMPLE_RATIO="0.5")

    assert len(collector.of(trace)) == 3
    assert 50 < len(collector.spans) - 3 < 150


def test_a_collector_that_is_away_costs_a_line_and_no_time() -> None:
    told, log = run(5000, JAEGER_ENDPOINT="http://127.0.0.1:1")

    assert told["end"] < 10
    assert log.count("takes no spans") == 1
    assert "Traceback" not in log


def test_a_collector_that_hangs_holds_up_neither_work_nor_end(deaf: str) -> None:
    told, _ = run(5000, JAEGER_ENDPOINT=deaf)

    assert told["work"] < 10
    assert told["end"] < 10


@pytest.mark.parametrize(
    "settings",
    [{"JAEGER_ENDPOINT": ""}, {"JAEGER_ENDPOINT": "http://127.0.0.1:1", "TRACING_ENABLED": "false"}],
)
def test_without_a_wish_for_spans_nothing_of_it_is_loaded(settings: dict[str, str]) -> None:
    told, log = run(1, **settings)

    assert not told["sdk"]
    assert log == ""
