"""Aegis on a real node, shared by all tests that need one; its attacks' accounts in the summary."""

from collections.abc import Generator, Iterator
from pathlib import Path

import docker
import pytest
from docker import DockerClient
from docker.errors import DockerException

from tests.chaos.attack import Attack
from tests.chaos.audit import Account
from tests.chaos.load import Scale, stock
from tests.chaos.requirements import missing
from tests.docker import images
from tests.kubernetes.cluster import running_cluster
from tests.kubernetes.installation import SERVERS_IMAGE, Installation
from tests.kubernetes.network import PRIVATE_ADDRESS, PUBLIC_ADDRESS, create_outside, entered
from tests.kubernetes.pods import Place
from tests.kubernetes.programs import CONTROL_PLANE, NODE
from tests.kubernetes.requirements import require_cluster, require_node

PRESENT, PREVIOUS, NEXT = "test-present", "test-previous", "test-next"
"""Tags of images: this tree's, those of the commit before it, and this tree's under another name."""

SCALE = Scale(jobs=40, frozen_seconds=0, settings={})
LAST = 3000
"""Characters."""

TOLD = pytest.StashKey[list[tuple[str, Account]]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The upgrade comes first of what runs on the node: the other tests then find the version it leads to."""
    items.sort(key=lambda item: "upgraded" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The local engine, which builds the images."""
    try:
        client = docker.from_env(timeout=1800)
        client.ping()
    except DockerException as error:
        missing(f"a container engine: .ci/with-docker starts one ({error})")
    yield client
    client.close()


@pytest.fixture(scope="session")
def built(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of all images that the tests use."""
    before = images.previous(tmp_path_factory.mktemp("previous"))
    if before is None:
        missing("the previous commit, which git does not have here: git fetch --deepen=1")
    sources = {PRESENT: images.present()} | ({PREVIOUS: before} if _has_parts(before) else {})
    names = [source.image(engine, tag, part) for tag, source in sources.items() for part in images.TARGETS]
    again = {f"aegis-rag/{part}:{NEXT}": f"aegis-rag/{part}:{PRESENT}" for part in images.TARGETS}
    again[SERVERS_IMAGE] = f"aegis-rag/worker:{PRESENT}"
    for name, same in again.items():
        engine.images.get(same).tag(name)
    return [*names, *again]


def _has_parts(source: images.Source) -> bool:
    """Whether images of that commit run under deploy/k8s: one a part, each with a health check."""
    return (source.folder / images.DOCKERFILES[0]).exists()


@pytest.fixture(scope="session")
def installed_before(built: list[str]) -> Iterator[Installation]:
    """Aegis of the previous commit, ready, with the library that attacks ask about.

    Of this tree, where that commit has no images for Kubernetes.
    """
    require_cluster([*CONTROL_PLANE, *NODE])
    require_node()
    with running_cluster() as cluster:
        node = cluster.add_node()
        node.images.take(*built)
        installation = Installation(cluster, node)
        installation.start(PREVIOUS if f"aegis-rag/api:{PREVIOUS}" in built else PRESENT)
        with entered(cluster.network):
            stock(installation.url)
        yield installation


@pytest.fixture(scope="session")
def upgraded(installed_before: Installation) -> Installation:
    """Aegis of this tree."""
    if installed_before.version == PREVIOUS:
        installed_before.apply(PRESENT)
    return installed_before


@pytest.fixture
def aegis(upgraded: Installation) -> Installation:
    """Every part ready in one version, whatever the test before has done."""
    upgraded.until_rolled_out()
    upgraded.until_whole()
    return upgraded


@pytest.fixture(scope="session")
def machine_outside(upgraded: Installation) -> Iterator[tuple[str, str]]:
    """Its public address and its private one; both listen at 443 and 80."""
    outside = Place(create_outside(upgraded.cluster.folder.name))
    with outside.listening(443, 80):
        yield PUBLIC_ADDRESS, PRIVATE_ADDRESS


@pytest.fixture
def attack(request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path: Path) -> Attack:
    """Its account is shown in the summary; what the pods printed is kept where it fails."""
    told = pytestconfig.stash.setdefault(TOLD, [])
    return Attack(scenario=request.node.name, run=0, scale=SCALE, told=told, report=tmp_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the cluster looks like."""
    report = yield
    installation = getattr(item, "funcargs", {}).get("upgraded")
    if report.failed and isinstance(installation, Installation):
        for what in (
            ("get", "pods", "-A", "-o", "wide"),
            ("get", "events", "-A", "--sort-by=.lastTimestamp"),
        ):
            report.sections.append((" ".join(what), installation.kubectl(*what)[-LAST:]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for scenario, account in terminalreporter.config.stash.get(TOLD, []):
        terminalreporter.write_line(f"{scenario}: {account.line()}")
