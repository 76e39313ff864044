"""What a container is told to run, against what ``aegis up`` runs."""

import pytest
from pydantic import SecretStr

from cli.container import choose
from cli.stack import parts
from rag.errors import ConfigurationError
from rag.settings import Settings
from tasks.app import LANES

SETTINGS = Settings(redis_url=SecretStr("redis://elsewhere:6379/0"))


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_every_lane_has_a_worker(lane) -> None:
    assert choose([f"worker-{lane.name}"], SETTINGS).command == lane.command(SETTINGS)


@pytest.mark.parametrize("arguments", [[], ["worker"], ["api", "beat"], ["broker"]])
def test_anything_else_is_refused_with_what_there_is(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        choose(arguments, SETTINGS)

    assert all(part.name in str(refusal.value) for part in parts(SETTINGS))
