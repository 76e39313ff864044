"""``deploy/apply.sh`` with the real overlays, and a file for a cluster."""

import shutil
from pathlib import Path

import pytest

from tests.chaos.requirements import missing
from tests.deploy.cluster import REAL, ROOT, Cluster

SCRIPT = ROOT / "deploy" / "apply.sh"
QUICK = ("--watch", "1", "--drain", "0")
PARTS = ("api", "worker", "beat", "flower")


def images(version: str) -> list[str]:
    return [f"{part}=registry.example:5000/aegis-rag/{part}@{digest(version)}" for part in PARTS]


def digest(version: str) -> str:
    return "sha256:" + version * 64


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A copy, since the script writes beside the overlay."""
    if not REAL.exists():
        missing("kubectl: make deployment-tools")
    shutil.copytree(ROOT / "deploy" / "k8s", tmp_path / "k8s")
    return tmp_path / "k8s" / "overlays" / "minimum"


@pytest.fixture
def cluster(tmp_path: Path, overlay: Path) -> Cluster:
    """One in which version 1 is installed."""
    cluster = Cluster(tmp_path)
    cluster.given(objects={})
    status, text = cluster.run(SCRIPT, str(overlay), *images("1"))
    assert status == 0, text
    cluster.given(calls=[])
    return cluster


def versions(cluster: Cluster) -> dict[str, str]:
    """By Deployment, the first figure of the digest."""
    names = [
        name.partition("/")[2] for name in cluster.read()["objects"] if name.startswith("deployment/aegis")
    ]
    return {name: cluster.image(name).partition("sha256:")[2][0] for name in names}


def test_every_part_runs_by_digest_from_the_registry(cluster: Cluster) -> None:
    assert cluster.image("aegis-api") == f"registry.example:5000/aegis-rag/api@{digest('1')}"
    assert cluster.image("aegis-worker-embed") == f"registry.example:5000/aegis-rag/worker@{digest('1')}"
    assert set(versions(cluster).values()) == {"1"}


def test_it_leads_nobody_to_a_colour_without_pods(cluster: Cluster, overlay: Path) -> None:
    cluster.change(
        "service/aegis-api-active",
        lambda thing: thing["spec"]["selector"].update({"aegis-rag/color": "green"}),
    )
    cluster.change("deployment/aegis-api", lambda thing: thing["spec"].update(replicas=0))
    cluster.change("deployment/aegis-api-green", lambda thing: thing["spec"].update(replicas=5))

    status, text = cluster.run(SCRIPT, str(overlay), *images("2"))

    assert status == 0, text
    assert (cluster.serving, cluster.replicas("aegis-api"), cluster.replicas("aegis-api-green")) == (
        "green",
        0,
        5,
    )


def test_what_does_not_come_up_is_taken_back(cluster: Cluster, overlay: Path) -> None:
    cluster.given(broken=[f"registry.example:5000/aegis-rag/worker@{digest('2')}"])

    status, text = cluster.run(SCRIPT, str(overlay), *images("2"))

    assert status == 1, text
    assert "was taken back" in text
    assert set(versions(cluster).values()) == {"1"}


def test_an_object_that_the_server_refuses_changes_nothing(cluster: Cluster, overlay: Path) -> None:
    cluster.given(refused=["aegis-beat"])

    status, text = cluster.run(SCRIPT, str(overlay), *images("2"))

    assert status == 1
    assert "violates PodSecurity" in text
    assert set(versions(cluster).values()) == {"1"}
    assert [call for call in cluster.read()["calls"] if "--dry-run" not in call] == []


def test_by_colours_the_one_that_serves_is_left_as_it_is_and_the_other_takes_over(
    cluster: Cluster, overlay: Path
) -> None:
    status, text = cluster.run(SCRIPT, "--blue-green", *QUICK, str(overlay), *images("2"))

    assert status == 0, text
    assert cluster.serving == "green"
    assert versions(cluster).pop("aegis-api") == "1"
    assert {version for name, version in versions(cluster).items() if name != "aegis-api"} == {"2"}
    assert cluster.replicas("aegis-api") == 0


def test_by_colours_a_broken_version_takes_workers_back_too(cluster: Cluster, overlay: Path) -> None:
    cluster.given(broken=[f"registry.example:5000/aegis-rag/api@{digest('2')}"])

    status, text = cluster.run(SCRIPT, "--blue-green", *QUICK, "--timeout", "1", str(overlay), *images("2"))

    assert status == 1, text
    assert cluster.serving == "blue"
    assert set(versions(cluster).values()) == {"1"}


def test_nothing_is_left_beside_the_overlay(cluster: Cluster, overlay: Path) -> None:
    assert [path.name for path in overlay.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["minimum", *images("1")[:3]], "it takes four images"),
        (["minimum", "api=aegis-rag/api:latest"], "is not NAME=REPOSITORY@sha256:"),
        (["nowhere", *images("1")], "there is no kustomization"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    status, text = Cluster(tmp_path).run(SCRIPT, *arguments)

    assert status == 2
    assert words in text
    assert len(text.splitlines()) == 1
