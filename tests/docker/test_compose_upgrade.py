"""docker-compose.yml without servers, from the previous commit's images to this one's."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.chaos.attack import Attack
from tests.chaos.load import Load, stock
from tests.chaos.texts import CHUNK_TOKENS
from tests.docker.composition import PAGE, Composition, composition, failed_requests
from tests.docker.conftest import SCALE
from tests.docker.standins.images import load_balancer
from tests.system.running import UNSCHEDULED

API_REPLICAS = 3

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def stack(
    docker_client: DockerClient, previous_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composition]:
    """The previous commit's parts, embedded ones in place of servers."""
    with composition(docker_client, tmp_path_factory.mktemp("upgrade")) as made:
        prepare, settings, start = PAGE["Without servers"][0].text.splitlines(keepends=True)
        made.run(prepare + settings)
        made.configure(
            **made.images_of_aegis(previous_image),
            HAPROXY_IMAGE=load_balancer(docker_client, previous_image),
            RATE_LIMIT_REQUESTS_PER_MINUTE="0",
        )
        made.give_health_check(previous_image)
        made.set_aegis(CHUNK_TOKENS=str(CHUNK_TOKENS), **UNSCHEDULED, **SCALE.settings)
        made.run(start)
        yield made


def test_an_upgrade_under_load_costs_no_request_and_no_job(
    stack: Composition, image: str, attack: Attack
) -> None:
    stock(stack.url)

    def upgrade(stack: Composition, load: Load) -> None:
        stack.configure(**stack.images_of_aegis(image))
        stack.run(PAGE["Upgrade"][0].text)

    account = attack(stack, upgrade)

    assert failed_requests(account) == {}
    parts = [each for each in stack.containers() if each.name != f"{stack.name}-load-balancer-1"]
    assert {each.attrs["Config"]["Image"] for each in parts} == {image}
    assert len(stack.containers("api")) == API_REPLICAS
