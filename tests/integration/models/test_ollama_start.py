"""What a worker does about the model before its first question: looked for, pulled, loaded."""

from collections.abc import Iterator

import pytest
import redis

from rag.errors import AegisError, ModelError, Unavailable
from tests.integration.modelserver import Answer, Script
from tests.integration.ollamascript import NOBODY, generator, lines, refused, two_servers


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    with two_servers() as servers:
        yield servers


@pytest.fixture
def one(scripts: list[Script]) -> Script:
    return scripts[0]


def test_one_replica_that_has_the_model_will_do(redis_client: redis.Redis, scripts: list[Script]) -> None:
    scripts[0].models = ("other:latest",)
    scripts[1].models = ("tiny:latest",)

    generator(redis_client, NOBODY, *(script.url for script in scripts)).warm()

    assert scripts[0].bodies == []
    assert scripts[1].bodies[0]["options"] == {"num_ctx": 2048}


def test_a_missing_model_says_what_to_do(redis_client: redis.Redis, one: Script) -> None:
    one.models = ("other:latest",)

    with pytest.raises(ModelError, match=r"has other:latest; not tiny: .*OLLAMA_PULL"):
        generator(redis_client, NOBODY, one.url).warm()


def test_nobody_there(redis_client: redis.Redis) -> None:
    with pytest.raises(Unavailable, match=NOBODY):
        generator(redis_client, NOBODY).warm()


def test_a_missing_model_is_pulled(redis_client: redis.Redis, one: Script) -> None:
    one.models = ()
    steps = '{"status": "pulling", "completed": 1, "total": 2}\n', '{"status": "success"}\n'
    one.answers.append(lines(*steps))

    generator(redis_client, one.url, pull=True).warm()

    assert [body["path"] for body in one.bodies] == ["/api/pull", "/api/chat"]


@pytest.mark.parametrize(
    ("pulled", "error"),
    [
        (lines('{"status": "pulling"}\n'), Unavailable),
        (lines('{"status": "pulling"}\n', '{"error": "no space left"}\n'), Unavailable),
        (refused(400, "invalid model name"), ModelError),
    ],
)
def test_a_pull_that_fails(
    redis_client: redis.Redis, one: Script, pulled: Answer, error: type[AegisError]
) -> None:
    one.models = ()
    one.answers.append(pulled)

    with pytest.raises(error, match=r"tiny|no space"):
        generator(redis_client, one.url, pull=True).warm()
