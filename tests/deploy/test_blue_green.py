"""``deploy/blue-green.sh`` against a kubectl with a file for a cluster; tests/kubernetes has a real one."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.deploy.cluster import ROOT, Cluster

SCRIPT = ROOT / "deploy" / "blue-green.sh"
QUICK = ("--watch", "1", "--drain", "0")
DIGEST = "sha256:" + "a" * 64


def api(version: str) -> str:
    return f"registry.example:5000/aegis-rag/api:{version}"


def in_version(version: str) -> set[str]:
    return {f"registry.example:5000/aegis-rag/{part}:{version}" for part in ("worker", "beat")}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def must_serve_old_version(cluster: Cluster) -> None:
    assert cluster.serving == "blue"
    assert (cluster.replicas("aegis-api"), cluster.image("aegis-api")) == (3, api("1"))
    assert (cluster.replicas("aegis-api-green"), cluster.image("aegis-api-green")) == (0, api("1"))
    assert cluster.parts == in_version("1")
    assert not cluster.is_locked


def test_a_good_version_takes_the_traffic_with_as_many_pods(cluster: Cluster) -> None:
    status, text = cluster.run(SCRIPT, *QUICK, "2")

    assert status == 0, text
    assert cluster.serving == "green"
    assert (cluster.replicas("aegis-api-green"), cluster.image("aegis-api-green")) == (3, api("2"))
    assert (cluster.replicas("aegis-api"), cluster.image("aegis-api")) == (0, api("1"))
    assert cluster.parts == in_version("2")
    assert cluster.image("qdrant-operator").endswith(":1")
    assert not cluster.is_locked


def test_workers_go_before_the_switch_and_flower_goes_last_of_them(cluster: Cluster) -> None:
    cluster.run(SCRIPT, *QUICK, "2")

    order = [call.split()[2] for call in cluster.read()["calls"] if call.startswith(("set", "patch"))]
    assert order == [
        "deployment/aegis-api-green",
        "deployment/aegis-worker-embed",
        "deployment/aegis-worker-parse",
        "deployment/aegis-beat",
        "deployment/aegis-flower",
        "aegis-api-active",
    ]


def test_a_digest_pins_the_api_alone_unless_the_others_have_theirs(cluster: Cluster) -> None:
    worker = "sha256:" + "b" * 64

    status, text = cluster.run(SCRIPT, *QUICK, "--worker", worker, DIGEST)

    assert status == 0, text
    assert cluster.image("aegis-api-green") == f"registry.example:5000/aegis-rag/api@{DIGEST}"
    assert cluster.image("aegis-worker-parse") == f"registry.example:5000/aegis-rag/worker@{worker}"
    assert cluster.image("aegis-beat").endswith("/beat:1")


def test_the_next_version_goes_to_blue_again(cluster: Cluster) -> None:
    cluster.run(SCRIPT, *QUICK, "2")

    status, text = cluster.run(SCRIPT, *QUICK, "3")

    assert status == 0, text
    assert (cluster.serving, cluster.image("aegis-api")) == ("blue", api("3"))
    assert cluster.replicas("aegis-api-green") == 0


def test_back_returns_to_the_former_colour_and_then_to_its_workers(cluster: Cluster) -> None:
    cluster.run(SCRIPT, *QUICK, "2")

    status, text = cluster.run(SCRIPT, *QUICK, "--back")

    assert status == 0, text
    assert (cluster.serving, cluster.replicas("aegis-api")) == ("blue", 3)
    assert cluster.replicas("aegis-api-green") == 0
    assert cluster.parts == in_version("1")
    changes = [call.split()[0] for call in cluster.read()["calls"]]
    assert changes[-6:] == ["set"] * 4 + ["annotate", "delete"]  # workers after the switch, then the lock


def test_nothing_leads_back_to_a_colour_that_did_not_serve_before(cluster: Cluster) -> None:
    never, _ = cluster.run(SCRIPT, *QUICK, "--back")
    cluster.run(SCRIPT, *QUICK, "2")
    cluster.run(SCRIPT, *QUICK, "--back")

    status, text = cluster.run(SCRIPT, *QUICK, "--back")

    assert (never, status) == (1, 1)
    assert "green did not serve before blue" in text
    must_serve = (cluster.serving, cluster.replicas("aegis-api"), cluster.replicas("aegis-api-green"))
    assert must_serve == ("blue", 3, 0)


def test_a_version_that_does_not_come_up_changes_nothing_that_serves(cluster: Cluster) -> None:
    cluster.given(broken=[api("2")])

    status, text = cluster.run(SCRIPT, *QUICK, "--timeout", "1", "2")

    assert status == 1
    assert "aegis-api-green did not come up" in text
    assert "QDRANT_URL has no scheme" in text
    must_serve_old_version(cluster)
    assert not any(call.startswith("patch") for call in cluster.read()["calls"])


def test_workers_that_do_not_come_up_are_taken_back_before_any_switch(cluster: Cluster) -> None:
    cluster.given(broken=["registry.example:5000/aegis-rag/worker:2"])

    status, text = cluster.run(SCRIPT, *QUICK, "--timeout", "1", "2")

    assert status == 1, text
    must_serve_old_version(cluster)
    assert not any(call.startswith("patch") for call in cluster.read()["calls"])


def test_errors_after_the_switch_bring_the_old_version_back(cluster: Cluster) -> None:
    cluster.given(failing=[api("2")])

    status, text = cluster.run(SCRIPT, *QUICK, "--watch", "20", "2")

    assert status == 3, text
    assert re.search(r"\d+ of \d+ requests were answered with 5xx", text)
    must_serve_old_version(cluster)


def test_a_version_that_is_no_worse_than_the_old_one_stays(cluster: Cluster) -> None:
    cluster.given(failing=[api("1"), api("2")])

    status, text = cluster.run(SCRIPT, *QUICK, "2")

    assert status == 0, text
    assert cluster.serving == "green"


def test_a_second_run_is_refused_and_told_who_holds_the_lock(cluster: Cluster) -> None:
    state = cluster.read()
    state["objects"]["lease/aegis-blue-green"] = {
        "spec": {"holderIdentity": "ci@runner 7", "acquireTime": "2026-11-30T13:00:00.000000Z"}
    }
    cluster.write(state)

    status, text = cluster.run(SCRIPT, *QUICK, "2")

    assert status == 1
    assert "another run holds the lock: ci@runner 7, since 2026-11-30T13:00:00.000000Z" in text
    assert "--unlock" in text
    assert cluster.is_locked
    assert cluster.serving == "blue"
    assert cluster.read()["calls"] == []


def test_a_stale_lock_is_removed_by_unlock(cluster: Cluster) -> None:
    state = cluster.read()
    state["objects"]["lease/aegis-blue-green"] = {"spec": {"holderIdentity": "gone"}}
    cluster.write(state)

    status, text = cluster.run(SCRIPT, *QUICK, "--unlock")

    assert (status, cluster.is_locked) == (0, False), text


def test_a_switch_that_somebody_else_made_first_is_left_alone(cluster: Cluster) -> None:
    cluster.given(stolen="green")

    status, text = cluster.run(SCRIPT, *QUICK, "2")

    assert status == 1
    assert "could not be switched from blue to green, it leads to green" in text
    assert (cluster.serving, cluster.replicas("aegis-api-green")) == ("green", 3)
    assert not cluster.is_locked


def test_a_dry_run_prints_each_command_and_changes_nothing(cluster: Cluster) -> None:
    before = cluster.read()["objects"]

    status, text = cluster.run(SCRIPT, *QUICK, "--dry-run", "2")

    assert status == 0, text
    assert cluster.read()["objects"] == before
    assert cluster.read()["calls"] == []
    printed = [
        line.partition("aegis-rag ")[2] for line in text.splitlines() if line.startswith("would run: ")
    ]
    assert printed[:3] == [
        f"set image deployment/aegis-api-green api={api('2')}",
        "scale deployment/aegis-api-green --replicas 3",
        "rollout status deployment/aegis-api-green --timeout 300s",
    ]
    assert printed[-2] == "scale deployment/aegis-api --replicas 0"
    assert any("patch service aegis-api-active" in line for line in printed)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rollout_leaves_the_old_version_and_no_lock(cluster: Cluster, signal_: int) -> None:
    cluster.given(slow=["rollout status deployment/aegis-api-green"])
    running = cluster.start(SCRIPT, *QUICK, "2")
    cluster.until_waiting("rollout")

    running.send_signal(signal_)
    out, err = running.communicate(timeout=30)

    assert running.returncode == 128 + signal_, out + err
    must_serve_old_version(cluster)


def test_interrupted_in_the_switch_the_traffic_goes_to_the_colour_that_is_proven(cluster: Cluster) -> None:
    cluster.given(slow=["patch"])
    running = cluster.start(SCRIPT, *QUICK, "2")
    cluster.until_waiting("patch")
    assert cluster.serving == "green"
    cluster.given(slow=[])

    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert running.returncode == 130, out + err
    must_serve_old_version(cluster)


def test_interrupted_while_it_drains_the_new_version_stays(cluster: Cluster) -> None:
    running = cluster.start(SCRIPT, *QUICK, "--drain", "60", "2")
    assert running.stdout is not None
    while "draining" not in (line := running.stdout.readline()):
        assert line, "it ended before it drained"

    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)

    assert running.returncode == 143, out + err
    assert (cluster.serving, cluster.replicas("aegis-api-green"), cluster.replicas("aegis-api")) == (
        "green",
        3,
        3,
    )
    assert not cluster.is_locked


def test_a_smoke_job_has_to_succeed_before_the_switch(cluster: Cluster) -> None:
    state = cluster.read()
    state["objects"]["cronjob/aegis-smoke"] = {}
    cluster.write(state)
    assert cluster.run(SCRIPT, *QUICK, "--smoke", "aegis-smoke", "2")[0] == 0
    cluster.given(broken=["smoke"])

    status, text = cluster.run(SCRIPT, *QUICK, "--smoke", "aegis-smoke", "3")

    assert status == 1
    assert "did not succeed" in text
    assert (cluster.serving, cluster.parts) == ("green", in_version("2"))


def test_a_service_without_a_colour_is_not_switched_blindly(cluster: Cluster) -> None:
    cluster.change("service/aegis-api-active", lambda thing: thing["spec"]["selector"].pop("aegis-rag/color"))

    status, text = cluster.run(SCRIPT, *QUICK, "2")

    assert status == 1
    assert "selects no colour" in text
    assert "patch service aegis-api-active" in text
    assert [call.split()[0] for call in cluster.read()["calls"]] == ["create", "delete"]  # its own lock


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "VERSION is missing"),
        (["--back", "2"], "--back takes no VERSION"),
        (["2;reboot"], "is no tag"),
        (["sha256:abc"], "is no tag"),
        (["--watch", "soon", "2"], "--watch takes seconds"),
        (["--fast", "2"], "there is no option --fast"),
    ],
)
def test_wrong_arguments_are_one_line_and_touch_nothing(
    cluster: Cluster, arguments: list[str], words: str
) -> None:
    status, text = cluster.run(SCRIPT, *QUICK, *arguments)

    assert status == 2
    assert words in text
    assert len(text.splitlines()) == 1
    assert cluster.read()["calls"] == []


def test_help_shows_every_option() -> None:
    answer = subprocess.run(["bash", SCRIPT, "--help"], capture_output=True, text=True, check=True)

    assert set(re.findall(r"--[a-z-]+", SCRIPT.read_text().partition("parse_arguments()")[2])) - {
        "--type",
        "--patch",
        "--replicas",
        "--help",
    } <= set(re.findall(r"--[a-z-]+", answer.stdout))
