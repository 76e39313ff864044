"""What a container is told to run, against what ``aegis up`` runs."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.supervisor.container import choose
from cli.supervisor.services import services
from rag.errors import ConfigurationError
from rag.settings import Settings, load
from tasks.lanes import LANES

SETTINGS = Settings(redis_url=SecretStr("redis://elsewhere:6379/0"))


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_every_lane_has_a_worker(lane) -> None:
    assert choose([f"worker-{lane.name}"], SETTINGS).command == lane.command(SETTINGS)


@pytest.mark.parametrize("arguments", [[], ["worker"], ["api", "beat"], ["broker"]])
def test_anything_else_is_refused_with_what_there_is(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        choose(arguments, SETTINGS)

    alone = SETTINGS.model_copy(update={"shared_workers": False})
    assert all(service.name in str(refusal.value) for service in services(alone))


def test_the_broker_can_be_run_where_the_others_reach_it_by_an_address(tmp_path: Path) -> None:
    address = {"redis_url": SecretStr("redis://broker:6379/0"), "broker_host": "127.0.0.1"}

    service = choose(["broker"], Settings(aegis_home=tmp_path, **address))

    assert service.command[-2:] == ("--logfile", "")


def test_another_part_makes_no_folder_of_the_broker(tmp_path: Path) -> None:
    choose(["worker-embed"], Settings(aegis_home=tmp_path))

    assert not (tmp_path / "redis").exists()


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


def test_workers_on_one_machine_have_ports_beside_each_other_for_their_figures() -> None:
    settings = Settings(redis_url=SETTINGS.redis_url, metrics_port=9464, shared_workers=False)
    shared = settings.model_copy(update={"shared_workers": True})

    ports = {each.name: each.environment.get("METRICS_PORT") for each in services(settings)}
    fewer = [port for each in services(shared) if (port := each.environment.get("METRICS_PORT"))]

    assert [ports[f"worker-{lane.name}"] for lane in LANES] == [str(9464 + n) for n in range(len(LANES))]
    assert fewer == ["9464", "9465", "9466", "9467", "9468"]
    assert not any(port for name, port in ports.items() if not name.startswith("worker-"))
    assert "METRICS_PORT" not in choose(["worker-embed"], settings).environment, "a container has its own"
