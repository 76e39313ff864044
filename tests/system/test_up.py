"""``aegis up`` from the outside: start, health, restarts, refusals, and an end without leftovers."""

import re
import signal
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from tasks.submit.submissions import LANES
from tests.operators import ALWAYS
from tests.system.running import Stack, stack_in, until

_TASKS = ("aegis.embed_query", "aegis.parse")


def _refused(stack: Stack) -> str:
    """The one line with which a start is refused."""
    stack.start()
    assert stack.process is not None
    assert stack.process.wait(60) != 0
    return stack.printed


def test_every_part_is_shown_and_every_component_is_ready(stack: Stack, client: httpx.Client) -> None:
    ready = client.get("/health/ready")

    assert ready.status_code == 200, ready.text
    assert all(component["ready"] for component in ready.json()["components"].values())
    for part in ("broker", "vectors", "api", "beat", "flower", stack.part("parse"), stack.part("generate")):
        assert f"✓ {part} " in stack.printed, part
    assert stack.url in stack.printed


def test_flower_shows_every_pool_and_the_tasks_that_ran_by_name(stack: Stack, client: httpx.Client) -> None:
    client.post("/v1/documents", json={"text": "The lamp is red."}, headers={"Prefer": "wait=30"})
    client.post("/v1/queries", json={"question": "Which lamp is here?"}, headers={"Prefer": "wait=30"})

    with httpx.Client(base_url=f"http://127.0.0.1:{stack.flower_port}", timeout=20) as flower:
        assert flower.get("/").status_code == 200
        until(lambda: _pools(flower) >= {*LANES})
        until(lambda: all(task in flower.get("/metrics").text for task in _TASKS))


def test_flower_tells_which_jobs_a_delivery_worked_and_shows_one_with_a_failure_as_failed(
    stack: Stack, client: httpx.Client
) -> None:
    broken = {"file": ("broken.pdf", b"%PDF-1.7 and nothing more", "application/pdf")}
    good = client.post(
        "/v1/documents", json={"text": "The lamp is green."}, headers={"Prefer": "wait=60"}
    ).json()
    bad = client.post("/v1/documents", files=broken, headers={"Prefer": "wait=60"}).json()
    assert (good["state"], bad["state"]) == ("succeeded", "failed")

    with httpx.Client(base_url=f"http://127.0.0.1:{stack.flower_port}", timeout=20) as flower:
        until(lambda: any(good["id"] in task["result"] for task in _deliveries(flower, "SUCCESS")))
        until(lambda: any(bad["id"] in task["exception"] for task in _deliveries(flower, "FAILURE")))
        rung_by = [task["uuid"].split(".") for task in _deliveries(flower, "FAILURE")]
    assert [bad["id"], "parse"] in [parts[:2] for parts in rung_by]


def test_flower_keeps_its_tasks_over_a_restart_and_leads_to_their_jobs(
    stack: Stack, client: httpx.Client
) -> None:
    job = client.post(
        "/v1/documents", json={"text": "The lamp is blue."}, headers={"Prefer": "wait=60"}
    ).json()["id"]

    with httpx.Client(base_url=f"http://127.0.0.1:{stack.flower_port}", timeout=20) as flower:
        until(lambda: any(job in task["result"] for task in _deliveries(flower, "SUCCESS")))
        shown = _deliveries(flower, "SUCCESS")
        (before,) = [task for task in shown if task["uuid"].startswith(f"{job}.parse")]
        page = f"{stack.url}/console/job.html#{job}"
        assert before["args"] == page
        assert f'<a href="{page}">{page}</a>' in flower.get(f"/task/{before['uuid']}").text
        ended = _flower_of(stack)
        assert ended is not None

        ended.terminate()

        until(lambda: _flower_of(stack) not in (None, ended), 60)
        until(lambda: _answers(flower), 60)
        after = [task for task in _deliveries(flower, "SUCCESS") if task["uuid"] == before["uuid"]]
    assert [(task["result"], task["runtime"]) for task in after] == [(before["result"], before["runtime"])]
    assert stat.S_IMODE((stack.home / "flower").stat().st_mode) == 0o700


def _flower_of(stack: Stack) -> psutil.Process | None:
    running = (each for each in stack.processes() if "cli.supervisor.flower" in " ".join(each.cmdline()))
    return next(running, None)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthcheck").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _deliveries(flower: httpx.Client, state: str) -> list[dict[str, str]]:
    """The tasks in this state, as Flower's own page of tasks asks for them."""
    asked = {"draw": 1, "start": 0, "length": 9_999, "search[value]": f"state:{state}", "order[0][column]": 0}
    columns = {"columns[0][data]": "name", "order[0][dir]": "asc"}
    return list(flower.get("/tasks/datatable", params={**asked, **columns}).json()["data"])


def _pools(flower: httpx.Client) -> set[str]:
    """The lanes in the workers' names. Asked anew each time, since a busy worker may miss one question."""
    shown = flower.get("/workers", params={"refresh": 1, "json": 1}).json()["data"]
    return {lane for worker in shown for lane in worker["hostname"].split("@")[0].split("+")}


def test_bulk_lanes_are_nicer_than_interactive_ones(stack: Stack) -> None:
    assert stack.worker("embed").nice() > stack.worker("rerank").nice()


def test_a_killed_worker_is_restarted_and_said_so(stack: Stack, client: httpx.Client) -> None:
    victim, part = stack.worker("rerank"), stack.part("rerank")

    victim.kill()

    until(lambda: f"{part} ended with signal SIGKILL" in stack.printed)
    until(lambda: f"{part} is back" in stack.printed, 60)
    assert stack.worker("rerank").pid != victim.pid
    assert client.get("/health/ready").status_code == 200


def test_a_second_stack_in_the_same_home_is_refused(stack: Stack) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "cli.main", "up"],
        env=dict(stack.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert second.returncode == 1
    assert stack.process is not None
    assert f"process {stack.process.pid}" in second.stderr
    assert len(second.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order(own_stack: Stack, number: int) -> None:
    own_stack.start().until_ready()

    assert own_stack.stop(number) == 0

    stopped = re.findall(r"■ (\S+)", own_stack.printed)
    assert stopped[0] == "api"
    assert stopped[-2:] == ["vectors", "broker"]
    assert own_stack.processes() == []


def test_a_killed_supervisor_takes_its_parts_along(own_stack: Stack) -> None:
    own_stack.start().until_ready()
    assert own_stack.process is not None

    own_stack.process.kill()
    own_stack.process.wait()

    until(lambda: own_stack.processes() == [])
    own_stack.start().until_ready()


def test_a_port_in_use_is_one_line(own_stack: Stack) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", own_stack.api_port))
        other.listen()

        said = _refused(own_stack)

    assert f"API_PORT: port {own_stack.api_port}" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("API_HOST", "192.0.2.7", "API_HOST: 192.0.2.7 is no address of this machine"),
        ("API_HOST", "no.such.host.invalid", "API_HOST: no.such.host.invalid is no address"),
        ("AEGIS_HOME", "/dev/null", "AEGIS_HOME /dev/null is, or lies below, a file"),
        ("AEGIS_HOME", "/dev/null/below", "is, or lies below, a file"),
        ("AEGIS_HOME", "/proc/aegis", "AEGIS_HOME /proc/aegis cannot be made or written to"),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    stack = stack_in(tmp_path)

    refused = subprocess.run(
        [sys.executable, "-m", "cli.main", "up"],
        env={**stack.environment, setting: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert refused.returncode == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""


def test_a_model_that_cannot_be_built_ends_the_start_before_anything_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "models").write_text("a file where a folder should be")
    stack = stack_in(home, MODEL_DIR=str(tmp_path / "models"))

    said = _refused(stack)

    assert "set MODEL_DIR to a folder that can" in said
    assert len(said.splitlines()) == 1
    assert [path.name for path in home.iterdir()] == ["printed.txt"]


def test_the_command_line_says_that_nothing_answers(tmp_path: Path) -> None:
    stack = stack_in(tmp_path)

    refused = subprocess.run(
        [sys.executable, "-m", "cli.main", "jobs"],
        env=dict(stack.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert refused.returncode == 3
    assert f"is the stack in {tmp_path} up? `aegis up` starts it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_demonstration_answers_and_goes_with_the_operators_values(tmp_path: Path) -> None:
    """Without the addresses of their servers, every part is the embedded one; a collector that is away
    changes nothing."""
    home, docs = tmp_path / "home", tmp_path / "docs"
    home.mkdir()
    docs.mkdir()
    (docs / "turbine.md").write_text(
        "# Turbine\n\nThe turbine is cooled by compressed air. Its blades are made of a nickel alloy.\n"
    )
    stack = stack_in(
        home, "demo", "--once", "--docs", str(docs), "--question", "What are the blades made of?",
        ALLOW_ANONYMOUS="true", **{name: value for name, value in ALWAYS.items() if name != "API_PORT"},
    ).start()  # fmt: skip
    assert stack.process is not None

    assert stack.process.wait(180) == 0, stack.printed
    assert "nickel alloy" in stack.printed
    assert "[1]" in stack.printed
    assert "Turbine" in stack.printed
    assert all(f"✓ {part} " in stack.printed for part in ("broker", "vectors"))
    assert "extractive" in stack.printed
    until(lambda: stack.processes() == [])


def test_commands_ingest_ask_and_list(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "kite.txt").write_text("The kite flies best in a steady wind of twelve knots.")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")

    def aegis(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env={**stack.environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    ingested = aegis("ingest", str(tmp_path), "--collection", "kites")
    asked = aegis("ask", "What wind does the kite need?", "--collection", "kites")
    listed = aegis("documents", "--collection", "kites")
    jobs = aegis("jobs")
    doctor = aegis("doctor")

    assert ingested.returncode == 1
    assert "broken.pdf" in ingested.stdout
    assert "1 searchable" in ingested.stdout
    assert asked.returncode == 0, asked.stderr
    assert "twelve knots" in asked.stdout
    assert "[1] kite" in asked.stdout
    assert "kite.txt" in listed.stdout
    assert "failed" in jobs.stdout
    assert doctor.returncode == 0, doctor.stdout
