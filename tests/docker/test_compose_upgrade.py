"""docker-compose.yml from the previous commit's images to this one's, while jobs come in."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.chaos.attack import Attack
from tests.chaos.load import Load, stock
from tests.chaos.texts import CHUNK_TOKENS
from tests.docker.composition import FIRST, PAGE, Composition, composition, failed_requests
from tests.docker.conftest import SCALE
from tests.docker.images import TARGETS
from tests.docker.standins.images import standins
from tests.system.running import UNSCHEDULED

API_REPLICAS = 3
USERS = "deploy/compose/secrets/redis_users.acl"
ECHO = "docker compose exec -T redis valkey-cli --user health --pass none echo heard"
UPGRADE = PAGE["Upgrade"][0].text

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def stack(
    docker_client: DockerClient, previous_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composition]:
    """The previous commit's parts. Servers stay as they are."""
    with composition(docker_client, tmp_path_factory.mktemp("upgrade")) as made:
        prepare, start, *_ = PAGE[FIRST]
        made.run(prepare.text)
        made.run(f"sed -i 's/+acl|load/& +echo/' {USERS}")  # an earlier version's rights
        made.run_images(dict.fromkeys(TARGETS, previous_image))
        made.configure(
            **standins(docker_client, previous_image, "HAPROXY_IMAGE", "REDIS_IMAGE", "QDRANT_IMAGE"),
            COMPOSE_PROFILES="redis,qdrant",
            BLOB_URL="",
            BACKUP_URL="",
            OLLAMA_URL="",
            JAEGER_ENDPOINT="",
            RATE_LIMIT_REQUESTS_PER_MINUTE="0",
        )
        made.set_aegis(CHUNK_TOKENS=str(CHUNK_TOKENS), **UNSCHEDULED, **SCALE.settings)
        made.run(start.text)
        yield made


def test_an_upgrade_under_load_costs_no_request_and_no_job(
    stack: Composition, part_images: dict[str, str], attack: Attack
) -> None:
    stock(stack.url)

    def upgrade_to_what_does_not_start(stack: Composition, load: Load) -> None:
        before = {container.id for container in stack.containers()}
        stack.run_images({**part_images, "worker": stack.variable("REDIS_IMAGE")})
        told = stack.run(UPGRADE, fails=True)
        assert "the old ones serve on" in told
        assert {container.id for container in stack.containers(stopped=True)} == before

    def upgrade(stack: Composition, load: Load) -> None:
        stack.run_images(part_images)
        stack.run(UPGRADE)

    account = attack(stack, upgrade_to_what_does_not_start, upgrade)

    assert failed_requests(account) == {}
    assert "NOPERM" in stack.run(ECHO)
    servers = stack.containers("load-balancer", "redis", "qdrant")
    ran = {each.attrs["Config"]["Image"] for each in stack.containers() if each not in servers}
    assert ran == set(part_images.values())
    assert len(stack.containers("api")) == API_REPLICAS
