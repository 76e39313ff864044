"""Every expression of the boards and rules, asked of a real Prometheus that scraped a loaded stack."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tasks.submit.submissions import LANES
from tests.alertrules import rule_files
from tests.deploy.test_boards import BOARDS, WINDOW, panels
from tests.jinaserver import KEY as JINA_KEY
from tests.jinaserver import Jina, serving
from tests.ollamabuild import patience
from tests.ollamaserver import CHAT, ollama_if_any
from tests.prometheusserver import Prometheus, prometheus
from tests.system.running import Stack, free_port, stack_in, until
from tests.system.service import finished, send_text

pytestmark = pytest.mark.timeout(patience() + 600)

FIGURE = re.compile(r"\b((?:aegis[_:]|http_|rest_|memory_)[\w:]+|up|ALERTS)(\{[^}]*\})?(?=[\s\[)]|$)")
"""What an expression selects: the name of a figure, and what its labels must be."""

ABSENT = {
    r"aegis_certificate_expiry_seconds": "no server is reached by TLS",
    r"rest_\w+|memory_resident_bytes": "no Qdrant server can be had; its documentation has the names",
}
"""What has no figures while nothing of that kind happens, and why."""

TROUBLE = re.compile(r'status=~"5|state="dead"|status=~"2\.\.\|5')
DOCUMENTS = ("The keeper of the lighthouse is Anselm.", "The blades of the turbine are of nickel.")
ROUNDS = 2
COLLECTION = "aegis_docs_v2"


@dataclass(frozen=True)
class Loaded:
    """A stack that has done some of everything, and what Prometheus knows of it."""

    stack: Stack
    prometheus: Prometheus

    def has_data(self, query: str) -> bool:
        return self.prometheus.has_data(query.replace(WINDOW, "10m"))

    def lacking(self, queries: dict[str, str]) -> dict[str, str]:
        """Those without data, by their titles, but those that have none for a good reason.

        On a busy machine a scrape may fail, and nothing has data until the next one: they get some time.
        """
        left = {title: query for title, query in queries.items() if not _is_excused(query)}
        deadline = time.monotonic() + 20
        while left := {title: query for title, query in left.items() if not self.has_data(query)}:
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        return left


def _is_excused(query: str) -> bool:
    return any(re.search(pattern, query) for pattern in ABSENT)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with ExitStack() as parts:
        home = Path(parts.enter_context(TemporaryDirectory(prefix="aegis-boards-")))
        jina = parts.enter_context(serving(Jina()))
        ollama = parts.enter_context(ollama_if_any())
        model = {"OLLAMA_URL": ollama, "OLLAMA_MODEL": CHAT, "GENERATOR_MAX_TOKENS": "16"} if ollama else {}
        ports = _free_ports(len(LANES))
        stack = stack_in(
            home,
            JINA_API_KEY=JINA_KEY, JINA_BASE_URL=jina.url, METRICS_PORT=str(ports[0]),
            SHARED_WORKERS="false",
            BACKUP_URL=f"file://{home}/backups", BACKUP_KEY="the keeper of the lighthouse",
            MAX_ATTEMPTS="2", RATE_LIMIT_REQUESTS_PER_MINUTE="0", **model,
        )  # fmt: skip
        parts.callback(stack.stop)
        stack.start().until_ready()
        targets = {
            "aegis": [stack.url.removeprefix("http://")],
            "aegis-workers": [f"127.0.0.1:{port}" for port in ports],
        }
        folder = tmp_path_factory.mktemp("prometheus")
        server = parts.enter_context(prometheus(folder, targets))
        until(lambda: server.figure('count(up{job=~"aegis.*"} == 1)') is not None, 60)
        with httpx.Client(base_url=stack.url, timeout=120) as client:
            for number in range(ROUNDS):
                _work(client, jina, number)
                _back_up(stack, number)
                time.sleep(3)  # each round is seen by two scrapes, so that counters are seen to rise
        yield Loaded(stack, server)


def _free_ports(count: int) -> range:
    """That many in a row."""
    while True:
        first = free_port()
        if first + count < 65536 and all(map(_is_free, range(first, first + count))):
            return range(first, first + count)


def _is_free(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}", timeout=0.2)
    except httpx.ConnectError:
        return True
    except httpx.HTTPError:
        return False
    return False


def _work(client: httpx.Client, jina: Jina, number: int) -> None:
    """Documents come in, questions are answered and answered again, and some of each fail."""
    for text in DOCUMENTS:
        send_text(client, f"{text} It is round {number}.", document_id=f"d{number}-{len(text)}")
    broken = client.post("/v1/documents", files={"file": ("broken.pdf", b"%PDF-1.7 broken")})
    assert finished(client, broken.json()["job_id"])["state"] == "failed"
    question = {"question": f"Who keeps the lighthouse in round {number}?"}
    for _ in range(2):  # the second is answered from the cache
        job = client.post("/v1/queries", json=question).raise_for_status().json()
        assert finished(client, job["job_id"])["state"] == "succeeded"
    waited = client.post("/v1/queries", json=question, headers={"Prefer": "wait=60"})
    assert waited.status_code == 200, waited.text
    nothing = client.post("/v1/queries", json={"question": f"zyx{number}?"}).raise_for_status().json()
    assert finished(client, nothing["job_id"])["state"] == "succeeded"
    jina.behaviours.extend(["500"] * 40)
    lost = client.post("/v1/queries", json={"question": f"What is lost in round {number}?"}).json()
    finished(client, lost["job_id"])
    jina.behaviours.clear()


def _back_up(stack: Stack, number: int) -> None:
    program = Path(sys.executable).parent / "aegis"
    restore = ("restore", "latest", "--collection", COLLECTION, "--into", f"copy-{number}", "--yes")
    proofs = (("backup", name) for name in ("verify", "rehearse", "prune"))
    for words in (("backup",), *proofs, restore):
        done = subprocess.run(
            [program, *words],
            env={**os.environ, **stack.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _unscoped(query: str) -> str:
    """As Grafana sends it while all installations are chosen."""
    return query.replace("$installation", ".*").replace("$namespace", ".*")


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_of_a_board_has_data(loaded: Loaded, name: str) -> None:
    queries = {
        f"{panel['title']}: {target['legendFormat']}": _unscoped(target["expr"])
        for panel in panels(BOARDS[name])
        for target in panel["targets"]
    }

    assert loaded.lacking(queries) == {}


def test_every_figure_that_an_alert_is_over_has_data(loaded: Loaded) -> None:
    selected = {
        "".join(found)
        for file in rule_files()
        for rule in file.all_rules()
        for found in FIGURE.findall(rule["expr"])
        if not TROUBLE.search(found[1])
    }

    assert len(selected) > 30
    assert loaded.lacking({each: each for each in sorted(selected)}) == {}


def test_no_excuse_is_given_for_what_has_data(loaded: Loaded) -> None:
    asked = [_unscoped(t["expr"]) for board in BOARDS.values() for p in panels(board) for t in p["targets"]]
    needed = {
        pattern
        for pattern in ABSENT
        if any(re.search(pattern, query) and not loaded.has_data(query) for query in asked)
    }

    assert needed == ABSENT.keys()


def test_every_recorded_rule_has_data_of_each_service_level(loaded: Loaded) -> None:
    recorded = {rule["record"] for file in rule_files() for rule in file.all_rules() if "record" in rule}
    found = {name: {each["metric"]["slo"] for each in loaded.prometheus.ask(name)} for name in recorded}

    assert found == {name: {"submit", "question", "ingestion"} for name in recorded}


def test_no_rule_fails_to_be_evaluated(loaded: Loaded) -> None:
    groups = loaded.prometheus.http.get("/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert len(rules) == sum(len(file.all_rules()) for file in rule_files())
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
