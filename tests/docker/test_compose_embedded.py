"""docker-compose.yml without any server: Aegis' own broker and vector engine, files in a volume."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.docker.composition import FIRST, PAGE, Composition, composition
from tests.docker.standins.images import standins
from tests.readme import json_objects

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def stack(
    docker_client: DockerClient, part_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composition]:
    with composition(docker_client, tmp_path_factory.mktemp("embedded")) as made:
        *prepare, start = PAGE["Without servers"][0].text.splitlines(keepends=True)
        made.run("".join(prepare))
        made.run_images(part_images)
        made.configure(**standins(docker_client, part_images["worker"], "HAPROXY_IMAGE"), API_REPLICAS="1")
        made.run(start)
        yield made


def test_it_answers_and_keeps_what_it_has_over_a_restart(stack: Composition) -> None:
    ask, doctor = PAGE[FIRST][2:4]
    for _ in range(2):
        ingested, answered = json_objects(stack.run_calls(ask))

        assert ingested["state"] == "succeeded", ingested
        assert answered["state"] == "succeeded", answered
        assert "90 days" in answered["result"]["answer"]
        stack.run("docker compose restart broker vectors")
        stack.until_whole()
    stack.run(doctor.text)
