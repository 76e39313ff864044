"""From the previous commit's image to this one's, part by part, while jobs come in."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.chaos.attack import Attack
from tests.chaos.load import Load
from tests.docker.conftest import fleet_of
from tests.docker.fleet import API, BEAT, VECTORS, WORKERS, Fleet

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def old_fleet(docker_client: DockerClient, previous_image: str, image: str) -> Iterator[Fleet]:
    """Of the previous image, but for the broker, which is not replaced."""
    with fleet_of(docker_client, previous_image, broker_image=image) as running:
        yield running


def test_a_rolling_restart_loses_and_doubles_nothing(old_fleet: Fleet, image: str, attack: Attack) -> None:
    def hurt(fleet: Fleet, load: Load) -> None:
        for part in (*WORKERS, BEAT, VECTORS, API):
            fleet.replace(part, image)
        fleet.until_whole()

    attack(old_fleet, hurt)

    assert len({container.attrs["Image"] for container in old_fleet.running.values()}) == 1
