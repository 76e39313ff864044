"""``aegis config``: what is set and by whom, and everything that is wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands.config import app
from rag.settings import Settings

SECRET = "s3cr3t-that-nobody-may-see"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*Settings.model_fields, "aegis_config"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    """For its owner alone."""
    path.touch(0o600)
    path.write_text(text)


def test_each_setting_is_shown_with_its_source_and_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / ".env", f"JINA_API_KEY={SECRET}\nREDIS_URL=redis://:{SECRET}@redis:6379/0\n")
    write(folder / "aegis.toml", "api_port = 9100\n")
    write(folder / "key", SECRET)
    monkeypatch.setenv("QDRANT_API_KEY_FILE", "key")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("API_KEYS", json.dumps({SECRET: {"name": "ci", "role": "read", "collections": ["*"]}}))

    shown = CliRunner().invoke(app, ["show", "--json"])

    assert shown.exit_code == 0
    rows = {row["name"]: row for row in json.loads(shown.stdout)}
    assert rows.keys() == {name.upper() for name in Settings.model_fields}
    assert {name: row["source"] for name, row in rows.items() if row["source"] != "default"} == {
        "JINA_API_KEY": ".env",
        "REDIS_URL": ".env",
        "API_PORT": "aegis.toml",
        "QDRANT_API_KEY": "environment: QDRANT_API_KEY_FILE",
        "LOG_LEVEL": "environment",
        "API_KEYS": "environment",
    }
    assert (rows["API_PORT"]["value"], rows["LOG_LEVEL"]["value"]) == (9100, "DEBUG")
    assert rows["REDIS_URL"]["value"] == "redis://…@redis:6379/0"
    assert SECRET not in shown.output


def test_only_what_differs_from_the_default_is_shown_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "aegis.toml", "api_port = 9100\nflower_port = 5555\nstage_timeout = 1000\n")

    shown = CliRunner().invoke(app, ["show", "--changed"])

    lines = [line.split() for line in shown.stdout.splitlines()[1:]]
    assert lines == [["API_PORT", "9100", "aegis.toml"], ["STAGE_TIMEOUT", "1000.0", "aegis.toml"]]


def test_programs_read_the_same_as_tsv_and_lines_of_json(folder: Path) -> None:
    write(folder / "aegis.toml", "api_port = 9100\n")

    for arguments in (["-o", "tsv"], ["-o", "jsonl"]):
        shown = CliRunner().invoke(app, ["show", "--changed", *arguments])
        assert shown.exit_code == 0, shown.output
        assert "API_PORT" in shown.stdout.splitlines()[-1]
    assert CliRunner().invoke(app, ["show", "-o", "tsv"]).stdout.startswith("name\tvalue\tsource\tchanged\n")


def test_nothing_changed_is_said() -> None:
    assert CliRunner().invoke(app, ["show", "--changed"]).stdout == "Every setting has its default.\n"


def test_right_settings_end_with_0() -> None:
    checked = CliRunner().invoke(app, ["check"])

    assert (checked.exit_code, checked.stdout) == (
        0,
        "settings  0 given (environment); nothing is wrong\n",
    )


def test_what_is_another_programs_is_a_note_and_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "*")

    checked = CliRunner().invoke(app, ["check"])

    assert checked.exit_code == 0
    assert checked.stdout.startswith("note      DEBUG: '*' is another program's")


def test_what_is_misspelt_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLAMA_URL", "http://ollama")

    checked = CliRunner().invoke(app, ["check"])

    assert checked.exit_code == 1
    assert "warning   OLAMA_URL is not a setting: did you mean OLLAMA_URL?" in checked.stdout


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({"API_HOST": "0.0.0.0", "FLOWER_BASIC_AUTH": "me:secret-word"}, 2, "wrong     API_HOST: the API"),
        ({"API_PORT": "9001", "FLOWER_PORT": "9001"}, 2, "wrong     API_PORT and FLOWER_PORT are both 9001"),
        (
            {"API_PORT": "8911", "GENERATOR": "smollm2"},
            2,
            "wrong     API_PORT and SMOLLM2_PORT are both",
        ),
        ({"API_HOST": "0.0.0.0", "KEYS_REQUIRED": "true"}, 1, "warning   API_HOST: Flower"),
    ],
)
def test_what_a_start_refuses_is_told_before(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], status: int, said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    checked = CliRunner().invoke(app, ["check"])

    assert said in checked.stdout
    assert checked.exit_code == status


def test_everything_that_is_wrong_is_told_and_ends_with_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "aegis.toml", "api_prot = 1\nflower_port = 0\n")
    monkeypatch.setenv("API_PORT", "x")
    monkeypatch.setenv("OLAMA_URL", "http://ollama")

    checked = CliRunner().invoke(app, ["check", "--json"])

    assert checked.exit_code == 2
    assert json.loads(checked.stdout) == {
        "given": 2,
        "files": ["aegis.toml"],
        "wrong": [
            "api_prot in aegis.toml is not a setting: did you mean api_port?",
            "API_PORT: 'x' is not a whole number from 1 to 65535",
            "FLOWER_PORT in aegis.toml: 0 is not a whole number from 1 to 65535",
        ],
        "warnings": ["OLAMA_URL is not a setting: did you mean OLLAMA_URL?"],
        "notes": [],
    }
    assert "FLOWER_PORT in aegis.toml: 0" in CliRunner().invoke(app, ["check"]).stdout
