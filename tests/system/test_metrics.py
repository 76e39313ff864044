"""The figures of a running stack: all are on their page in docs/reference, and their labels are bounded."""

import re
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rag.model import JobKind, JobState, Stage
from rag.telemetry.call_metrics import ERROR_KINDS
from tasks.lanes import LANES
from tests.integration.modelserver import Script, scripted, stream
from tests.jinaserver import KEY, Jina, serving
from tests.system.running import Stack, free_port, stack_in
from tests.system.service import ask, send_text

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
_ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| (.*?) \|", re.MULTILINE)
_BACKUPS = ("aegis_backup", "aegis_backup_verification", "aegis_backup_rehearsal", "aegis_backup_restore",
            "aegis_backup_prune")  # fmt: skip

SELDOM = {
    "aegis_certificate_expiry_seconds",  # without TLS
    "aegis_stage_retries_total",  # nothing fails here
    "aegis_dead_letters",
    "aegis_dependency_errors_total",
}
"""What has no series in this stack."""

LANE_NAMES = {lane.name for lane in LANES}
BOUNDS: Mapping[str, set[str] | re.Pattern[str]] = {
    "lane": LANE_NAMES,
    "stage": set(Stage),
    "kind": set(JobKind) | ERROR_KINDS,
    "state": set(JobState),
    "reason": re.compile(r"[a-z-]{1,40}"),
    "outcome": {"answered", "not_found", "failed", "cached", "hit", "miss"},
    "cache": {"answers", "embeddings"},
    "dependency": {"redis", "qdrant", "blobs", "jina", "ollama", "openai"},
    "operation": re.compile(r"[a-z_]{1,40}"),
    "role": {"embed", "rerank", "generate"},
    "model": {"jina-embeddings-v3", "jina-reranker-v2-base-multilingual", "openai", "tiny"},
    "purpose": {"passage", "query", "rerank"},
    "method": {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "other"},
    "handler": re.compile(r"none|/[a-z0-9_{}/.:-]*"),
    "status": re.compile(r"[1-5][0-9]{2}"),
    "mount": re.compile(r"/.+"),
}


@dataclass
class Family:
    """A figure of one page. ``labels``: the values of each; ``series``: how many there are."""

    kind: str
    help: str
    labels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    series: set[frozenset[tuple[str, str]]] = field(default_factory=set)


Pages = Mapping[str, Mapping[str, Family]]
"""The families by name, of the API and of each lane's worker."""


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, str]]:
    """The settings of model servers that are there."""
    with serving(Jina()) as jina, scripted() as writer:
        writer.answers = _Endless(writer)
        yield {
            "JINA_BASE_URL": jina.url,
            "JINA_API_KEY": KEY,
            "GENERATOR": "openai",
            "GENERATOR_URL": writer.url,
        }


class _Endless(list):  # type: ignore[type-arg]
    """Answers of a model that never runs out of them."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def pop(self, _: object = 0) -> object:
        return stream("The", " lamp", " is", " violet", " [1].")


@pytest.fixture(scope="module")
def pages(models: dict[str, str]) -> Iterator[Pages]:
    """What a stack tells that has ingested, answered and backed up."""
    port = _first_of_free_ports(len(LANES))
    with TemporaryDirectory(prefix="aegis-system-") as home:
        stack = stack_in(
            Path(home), METRICS_PORT=str(port), SHARED_WORKERS="false", API_WORKERS="2", **models
        )
        stack.start()
        try:
            stack.until_ready()
            _load(stack)
            yield {
                "api": _scrape(f"{stack.url}/metrics"),
                **{
                    lane.name: _scrape(f"http://127.0.0.1:{port + place}/metrics")
                    for place, lane in enumerate(LANES)
                },
            }
        finally:
            stack.stop()


def _first_of_free_ports(number: int) -> int:
    for _ in range(100):
        first = free_port()
        if first + number < 65536 and all(_is_free(first + place) for place in range(number)):
            return first
    raise AssertionError("there are no free ports beside each other")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _load(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        for number in range(3):
            send_text(client, f"The lamp of the lighthouse {number} is violet.", collection="handbook")
        for _ in range(2):
            ask(client, "Which colour is the lamp?", "handbook")
        client.get("/nowhere")
        job = client.post("/v1/backups", json={}).raise_for_status().json()["job_id"]
        client.get(f"/v1/jobs/{job}", params={"wait": 60}).raise_for_status()


def _scrape(url: str) -> dict[str, Family]:
    answer = httpx.get(url, headers={"Accept": "application/openmetrics-text"}).raise_for_status()
    found: dict[str, Family] = {}
    for each in text_string_to_metric_families(answer.text):
        name = f"{each.name}_total" if each.type == "counter" else each.name
        family = found[name] = Family(each.type, each.documentation)
        for sample in each.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            family.series.add(frozenset(labels.items()))
            for label, value in labels.items():
                family.labels[label].add(value)
    return found


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every figure on the page in docs/reference."""
    rows = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in _ROW.findall(PAGE.read_text())
    }
    for name in [name for name in rows if name.startswith("aegis_backup_")]:
        rows |= {name.replace("aegis_backup", other, 1): rows[name] for other in _BACKUPS}
    return rows


def test_every_figure_is_documented_with_its_type_and_labels(pages: Pages) -> None:
    for families in pages.values():
        for name, family in families.items():
            kind, labels = documented()[name]
            assert (name, family.kind) == (name, kind)
            if family.series:
                assert (name, set(family.labels)) == (name, labels)


def test_every_documented_figure_is_there(pages: Pages) -> None:
    there = {name for families in pages.values() for name, family in families.items() if family.series}
    expected = {
        name for name in documented() if not name.startswith(_BACKUPS) or name in ("aegis_backup_ok",)
    }

    assert expected - SELDOM <= there


def test_every_label_has_few_values_that_are_known_beforehand(pages: Pages) -> None:
    for families in pages.values():
        for name, family in families.items():
            for label, values in family.labels.items():
                bound = BOUNDS[label]
                fits = (lambda value, to=bound: value in to) if isinstance(bound, set) else bound.fullmatch
                assert all(map(fits, values)), (name, label, values)
            assert len(family.series) < 250, name


def test_every_help_text_says_what_is_counted_in_which_unit(pages: Pages) -> None:
    units = {"_seconds": "second", "_bytes": "byte", "_tokens_per_second": "a second"}
    for families in pages.values():
        for name, family in families.items():
            assert len(family.help) > 10, name
            for ending, unit in units.items():
                if name.endswith(ending):
                    assert unit in family.help.lower(), name


def test_each_worker_tells_of_the_models_and_servers_that_it_calls(pages: Pages) -> None:
    def called(lane: str, family: str, label: str) -> set[str]:
        return pages[lane][family].labels[label] if family in pages[lane] else set()

    assert called("embed", "aegis_model_call_seconds", "role") == {"embed"}
    assert called("rerank", "aegis_model_call_seconds", "role") == {"rerank"}
    assert called("generate", "aegis_model_call_seconds", "role") == {"generate"}
    assert called("embed-query", "aegis_dependency_seconds", "dependency") >= {"jina", "redis"}
    assert called("index", "aegis_dependency_seconds", "dependency") == {"redis", "qdrant", "blobs"}
    assert "aegis_model_tokens_per_second" in pages["generate"]
    assert {
        lane
        for lane in LANE_NAMES
        if "aegis_dependency_breaker_open" in pages[lane]
        and pages[lane]["aegis_dependency_breaker_open"].series
    } == {"embed", "embed-query", "rerank"}
