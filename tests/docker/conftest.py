"""The engine, the images and the fleets that these tests run on."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import docker
import pytest
from docker import DockerClient
from docker.errors import DockerException

from tests.chaos.attack import Attack
from tests.chaos.audit import Account
from tests.chaos.load import Scale, stock
from tests.chaos.requirements import missing
from tests.docker import images
from tests.docker.fleet import LABEL, Fleet

SCALE = Scale(jobs=40, frozen_seconds=0, settings={"LEASE_SECONDS": "10"})

LAST = 4000
"""Characters."""

TOLD = pytest.StashKey[list[tuple[str, Account]]]()


@pytest.fixture(scope="session")
def docker_client() -> Iterator[DockerClient]:
    """The local engine, in place of the plugin's fixture, which knows no skipping."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        missing(f"a container engine: .ci/with-docker starts one ({error})")
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(docker_client: DockerClient) -> str:
    """The image of this tree."""
    return images.present().image(docker_client, "test-present")


@pytest.fixture(scope="session")
def part_images(docker_client: DockerClient) -> dict[str, str]:
    """The image of each target, by the target's name."""
    source = images.present()
    return {target: source.image(docker_client, "test-present", target) for target in images.TARGETS}


@pytest.fixture(scope="session")
def previous_image(docker_client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the commit before this tree."""
    source = images.previous(tmp_path_factory.mktemp("previous"))
    if source is None:
        missing("the previous commit, which git does not have here: git fetch --deepen=1")
    return source.image(docker_client, "test-previous")


@pytest.fixture(scope="module")
def fleet(docker_client: DockerClient, image: str) -> Iterator[Fleet]:
    """A fleet of this tree's image, shared by the tests of a module, which leave it whole."""
    with fleet_of(docker_client, image) as running:
        yield running


@pytest.fixture
def attack(request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path: Path) -> Attack:
    """Its account is shown in the summary; what the containers printed is kept where it fails."""
    told = pytestconfig.stash.setdefault(TOLD, [])
    return Attack(scenario=request.node.name, run=0, scale=SCALE, told=told, report=tmp_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the containers printed last."""
    report = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        report.sections += [(part, container.logs()[-LAST:]) for part, container in fleet.running.items()]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for scenario, account in terminalreporter.config.stash.get(TOLD, []):
        terminalreporter.write_line(f"{scenario}: {account.line()}")


@contextmanager
def fleet_of(client: DockerClient, image: str, broker_image: str | None = None) -> Iterator[Fleet]:
    """A running fleet with the library that attacks ask about; nothing of it is left afterwards.

    ``broker_image``: the broker's, where it is not that of all.
    """
    with TemporaryDirectory(prefix="aegis-docker-") as home:
        network = client.networks.create(Path(home).name, labels={LABEL: ""})
        fleet = Fleet(client, network.name, Path(home), SCALE.settings)
        try:
            fleet.start(image, broker_image or image)
            stock(fleet.url)
            yield fleet
        finally:
            fleet.close()
            network.remove()
