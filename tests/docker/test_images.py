"""What the images are: how large, what is in them, and that each starts its part, locked up."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from docker import DockerClient
from docker.models.containers import Container

from tests.chaos.requirements import missing
from tests.docker.fleet import LABEL, LOCKED_UP
from tests.docker.images import BASE, ROOT, TARGETS
from tests.system.running import until

pytestmark = pytest.mark.timeout(900)

LEAN = ("api", "beat", "flower")
OTHERS = ("broker", "vectors", "worker-maintenance")
"""Parts of the workers' image; without them nothing is ready."""

MOST_BYTES = {"api": 300e6, "beat": 300e6, "flower": 300e6, "worker": 878e6}
"""With a base of 196 MB. The one image of before had 896 MB."""

BEGUN_SECONDS = 240.0
PASSWORD = "a-password-of-the-broker"
RUNTIMES = (
    "onnxruntime",
    "onnx",
    "tokenizers",
    "numpy",
    "qdrant_client",
    "qdrant_edge",
    "xberg",
    "pypdfium2",
)
SYFT = ROOT / ".venv/bin/syft"


@pytest.fixture(scope="module")
def parts(docker_client: DockerClient, part_images: dict[str, str]) -> Iterator[dict[str, Container]]:
    """A container of each lean image, and those that they need."""
    name = f"aegis-images-{uuid4().hex[:8]}"
    network = docker_client.networks.create(name, labels={LABEL: ""})
    data = docker_client.volumes.create(name, labels={LABEL: ""})
    shared = {
        "REDIS_URL": f"redis://:{PASSWORD}@{name}-broker:6379/0",
        "BROKER_HOST": "0.0.0.0",
        "BROKER_PASSWORD": PASSWORD,
        "ALLOW_ANONYMOUS": "true",
        "API_WORKERS": "1",
    }
    try:
        yield {
            part: docker_client.containers.run(
                part_images.get(part, part_images["worker"]), [part], detach=True, name=f"{name}-{part}",
                network=name, volumes=[f"{name}:/data"], environment=shared, labels=[LABEL],
                restart_policy={"Name": "on-failure"}, **LOCKED_UP,
            )
            for part in (*OTHERS, *LEAN)
        }  # fmt: skip
    finally:
        for container in docker_client.containers.list(all=True, filters={"network": name}):
            container.remove(force=True, v=True)
        network.remove()
        data.remove()


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_as_small_as_is_stated(
    docker_client: DockerClient, part_images: dict[str, str], target: str
) -> None:
    size = docker_client.images.get(part_images[target]).attrs["Size"]

    assert size <= MOST_BYTES[target], f"{size / 1e6:.0f} MB"


def test_images_share_the_layers_of_their_packages(
    docker_client: DockerClient, part_images: dict[str, str]
) -> None:
    layers = {
        target: docker_client.images.get(name).attrs["RootFS"]["Layers"]
        for target, name in part_images.items()
    }
    base = docker_client.images.get(BASE).attrs["RootFS"]["Layers"]

    common = set.intersection(*map(set, layers.values()))
    assert set(base) < common
    assert {found[-1] for found in layers.values()} <= common, "Aegis itself"
    assert set(layers["api"]) <= set(layers["worker"])
    assert len(layers["beat"]) == len(layers["flower"]) == len(common) + 1, "its own packages"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_how_it_is_run(
    docker_client: DockerClient, part_images: dict[str, str], target: str
) -> None:
    config = docker_client.images.get(part_images[target]).attrs["Config"]

    assert config["User"] == "10001:10001", "a number, or Kubernetes refuses runAsNonRoot"
    assert config["Healthcheck"]["Test"] == ["CMD", "healthy"]
    assert config["Entrypoint"] == ["tini", "--", "python", "-m", "cli.supervisor.container"]
    assert config["Labels"]["org.opencontainers.image.version"] == "test-present"
    assert config["Labels"]["org.opencontainers.image.revision"] != "unknown"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_adds_no_file_that_others_may_write_or_that_gives_rights(
    docker_client: DockerClient, part_images: dict[str, str], target: str
) -> None:
    words = ["/", "-xdev", "-type", "f", "-perm", "/6002"]

    def found(image: str) -> set[bytes]:
        printed = docker_client.containers.run(image, words, entrypoint=["find"], user="0", remove=True)
        return set(printed.splitlines())

    assert found(part_images[target]) <= found(BASE)


@pytest.mark.parametrize("target", LEAN)
def test_a_lean_image_has_nothing_that_only_workers_use(
    docker_client: DockerClient, part_images: dict[str, str], target: str
) -> None:
    code = f"from importlib.util import find_spec; print([name for name in {RUNTIMES} if find_spec(name)])"

    printed = docker_client.containers.run(
        part_images[target], ["-c", code], entrypoint=["python"], remove=True
    )

    assert printed.strip() == b"[]"


def test_the_image_of_workers_brings_the_model_but_not_what_builds_it(
    docker_client: DockerClient, part_images: dict[str, str]
) -> None:
    code = (
        "from importlib.util import find_spec; from rag.settings import load; "
        "from workers.setup import missing_models; "
        "print(missing_models(load(), load().model_dir), find_spec('onnx'), find_spec('all_minilm_l6_v2'))"
    )

    printed = docker_client.containers.run(
        part_images["worker"], ["-c", code], entrypoint=["python"], remove=True
    )

    assert printed.split() == [b"[]", b"None", b"None"]


@pytest.mark.parametrize("part", [*OTHERS, *LEAN])
def test_each_image_starts_its_part(parts: dict[str, Container], part: str) -> None:
    until(lambda: _health(parts[part]) == "healthy", BEGUN_SECONDS)


@pytest.mark.parametrize("words", ["config check", "keys list", "jobs list"])
def test_the_image_of_the_api_has_the_operators_command(parts: dict[str, Container], words: str) -> None:
    until(lambda: _health(parts["worker-maintenance"]) == "healthy", BEGUN_SECONDS)

    status, printed = parts["api"].exec_run(["timeout", "60", "aegis", *words.split()])

    assert status == 0, printed.decode()


def test_its_doctor_examines_what_is_in_it(parts: dict[str, Container]) -> None:
    until(lambda: _health(parts["api"]) == "healthy", BEGUN_SECONDS)

    _, printed = parts["api"].exec_run(["aegis", "doctor", "--json"])

    found = {row["part"]: row["state"] for row in json.loads(printed)}
    assert found["settings"] == found["broker"] == found["times"] == "ok"
    assert found["work"] == "note"
    assert found["queue embed"] == "bad", "it has no worker"


def test_what_is_in_an_image_is_listed(part_images: dict[str, str], tmp_path: Path) -> None:
    if not SYFT.exists():
        missing(f"{SYFT}: make deployment-tools")

    subprocess.run(
        [ROOT / "deploy/docker/list-contents", part_images["beat"], tmp_path / "beat.spdx.json"],
        env={"PATH": f"{SYFT.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
        timeout=600,
    )

    document = json.loads((tmp_path / "beat.spdx.json").read_text("utf-8"))
    names = {package["name"] for package in document["packages"]}
    assert document["spdxVersion"].startswith("SPDX-2")
    assert {"aegis-rag", "celery", "cryptography", "bash"} <= names
    assert "numpy" not in names


def _health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])
