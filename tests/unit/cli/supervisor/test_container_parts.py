"""What a container is told to run, against what ``aegis up`` runs."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.supervisor.container import choose
from cli.supervisor.services import services
from rag.errors import ConfigurationError
from rag.settings import Settings, load
from tasks.app import LANES

SETTINGS = Settings(redis_url=SecretStr("redis://elsewhere:6379/0"))


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_every_lane_has_a_worker(lane) -> None:
    assert choose([f"worker-{lane.name}"], SETTINGS).command == lane.command(SETTINGS)


@pytest.mark.parametrize("arguments", [[], ["worker"], ["api", "beat"], ["broker"]])
def test_anything_else_is_refused_with_what_there_is(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        choose(arguments, SETTINGS)

    assert all(service.name in str(refusal.value) for service in services(SETTINGS))


@pytest.mark.parametrize(("part", "name"), [("api", "HEALTH_TOKEN"), ("flower", "FLOWER_BASIC_AUTH")])
def test_a_secret_that_came_from_a_file_is_given_once(
    part: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "operator:a-secret-of-some-length"
    (tmp_path / "secret").write_text(secret)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    for variable, value in choose([part], load()).environment.items():
        monkeypatch.setenv(variable, value)

    found = getattr(load(), name.lower())
    assert found.get_secret_value() == secret
