"""Secrets may lie in files that the environment names."""

import os
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import load
from rag.settings.secret_files import MOST_BYTES, secrets_of
from rag.settings.settings import Settings

KEY = "k" * 32


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that MESSAGE_KEY_FILE names."""
    path = tmp_path / "key"
    monkeypatch.setenv("MESSAGE_KEY_FILE", str(path))
    return path


def refusal() -> str:
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert KEY not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_read_from_its_file_without_the_last_line_break(file: Path, end: str) -> None:
    file.write_bytes(f"{KEY}{end}".encode())
    assert load().message_keys == (KEY.encode(),)


def test_every_secret_can_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "api_key": "a",
        "api_keys": '{"key-of-sixteen-or-more": {"name": "ci", "role": "read", "collections": ["a"]}}',
        "backup_key": KEY, "flower_basic_auth": "user:password", "generator_api_key": "g",
        "jina_api_key": "j", "message_key": KEY, "qdrant_api_key": "q", "redis_url": "redis://:p@host:6379/0",
    }  # fmt: skip
    assert values.keys() <= secrets_of(Settings)
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"{name.upper()}_FILE", str(tmp_path / name))

    settings = load()

    for name in values.keys() - {"api_keys"}:
        assert getattr(settings, name).get_secret_value() == values[name]
    assert [key.name for key in settings.api_keys.values()] == ["ci"]


def test_a_setting_that_is_no_secret_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT_FILE", "/etc/hostname")
    assert load().api_port == 8910


def test_value_and_file_together_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(KEY)
    monkeypatch.setenv("MESSAGE_KEY", KEY)
    assert refusal() == "MESSAGE_KEY and MESSAGE_KEY_FILE are both set: leave one of them out"


def test_an_empty_value_or_name_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(KEY)
    monkeypatch.setenv("MESSAGE_KEY", "")
    monkeypatch.setenv("JINA_API_KEY_FILE", "")
    assert load().message_keys == (KEY.encode(),)
    assert load().jina_api_key is None


def test_a_file_that_cannot_be_used_is_one_line(file: Path) -> None:
    assert refusal() == f"MESSAGE_KEY_FILE: there is no file {file}"
    file.write_bytes(b"\n")
    assert refusal() == f"MESSAGE_KEY_FILE: {file} is empty"
    file.write_bytes(b"\xff\xfe" + KEY.encode())
    assert refusal() == f"MESSAGE_KEY_FILE: {file} holds something else than text in UTF-8"
    file.write_text(KEY * (MOST_BYTES // len(KEY) + 1))
    assert refusal() == f"MESSAGE_KEY_FILE: {file} is over 1 MB, so it holds no secret"
    file.unlink()
    os.mkfifo(file)
    assert refusal() == f"MESSAGE_KEY_FILE: there is no file {file}"


def test_wrong_json_in_a_file_is_one_line_that_quotes_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text(f'{{"{KEY}": ')
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "keys"))
    assert refusal() == "API_KEYS: this is no JSON object"
