"""Settings may lie in ``.env`` and ``aegis.toml``: which one counts, and which are read at all."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import Settings, inherited, load
from rag.settings.configuration import MOST_BYTES
from rag.settings.loading import _write_once
from rag.settings.sources import read

STRANGER = 54321


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One stands in a folder of one's own, with no setting in the environment."""
    for name in (*Settings.model_fields, "aegis_config", "xdg_config_home"):
        monkeypatch.delenv(name.upper(), raising=False)
    place, home = tmp_path / "here", tmp_path / "home"
    place.mkdir()
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(place)
    before = dict(os.environ)
    _write_once.cache_clear()
    yield place
    os.environ.clear()
    os.environ.update(before)


def write(path: Path | str, text: str, mode: int = 0o600) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal() -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load()
    return str(refused.value).splitlines()


# --- which counts


def test_the_environment_counts_before_env_and_env_before_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    write("aegis.toml", "api_port = 1001\nflower_port = 1002\nmax_upload_mb = 7\n")
    write(".env", "API_PORT=2001\nFLOWER_PORT=2002\n")
    monkeypatch.setenv("API_PORT", "3001")

    settings = load()

    assert (settings.api_port, settings.flower_port, settings.max_upload_mb) == (3001, 2002, 7)
    assert {name: given.source for name, given in settings.given.items()} == {
        "api_port": "environment",
        "flower_port": ".env",
        "max_upload_mb": "aegis.toml",
    }


def test_an_empty_value_is_none_so_the_next_source_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    write("aegis.toml", 'environment = "from-toml"\n')
    write(".env", "ENVIRONMENT=\n")
    monkeypatch.setenv("ENVIRONMENT", "")

    assert load().environment == "from-toml"


def test_a_secret_in_a_file_that_the_environment_names_counts_before_those_of_other_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "JINA_API_KEY=from-env-file\n")
    monkeypatch.setenv("JINA_API_KEY_FILE", str(write(tmp_path / "key", "from-secret-file\n")))

    key = load().jina_api_key

    assert key is not None
    assert key.get_secret_value() == "from-secret-file"


def test_a_file_may_name_the_file_of_a_secret_from_where_it_stands(tmp_path: Path) -> None:
    write(tmp_path / "here" / "secrets" / "key", "k3y-in-a-file\n")
    write("aegis.toml", 'jina_api_key_file = "secrets/key"\n')

    settings = load()

    assert settings.jina_api_key is not None
    assert settings.jina_api_key.get_secret_value() == "k3y-in-a-file"


def test_value_and_file_in_one_source_are_refused_with_the_place() -> None:
    write(".env", "JINA_API_KEY=a\nJINA_API_KEY_FILE=b\n")

    assert refusal() == ["JINA_API_KEY in .env and JINA_API_KEY_FILE are both set: leave one of them out"]


def test_env_is_read_as_people_write_it() -> None:
    write(
        ".env",
        "\ufeff# ours\nexport API_PORT=9100\n\nENVIRONMENT='staging' # a word\n"
        'COLLECTION_NAME="docs"\nqdrant_url = http://qdrant:6333\nFOREIGN=whatever\n',
    )

    settings = load()

    assert (settings.api_port, settings.environment, settings.collection_name) == (9100, "staging", "docs")
    assert settings.qdrant_url == "http://qdrant:6333"


def test_toml_says_values_as_they_are() -> None:
    write(
        "aegis.toml",
        "api_port = 9100\ndebug = true\nmin_relevance = 0.5\n"
        'cors_origins = ["https://a.example"]\nallowed_hosts = "a.lan, b.lan"\n'
        '[api_keys.key-of-sixteen-or-more]\nname = "ci"\nrole = "read"\ncollections = ["*"]\n'
        '[oidc_roles]\nstaff = "write"\n',
    )

    settings = load()

    assert (settings.api_port, settings.debug, settings.min_relevance) == (9100, True, 0.5)
    assert settings.cors_origins == ("https://a.example",)
    assert settings.allowed_hosts == ("a.lan", "b.lan")
    assert settings.api_keys["key-of-sixteen-or-more"].name == "ci"
    assert settings.oidc_roles == {"staff": "write"}


# --- which file


def test_aegis_config_names_the_only_file_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "API_PORT=1001\n")
    write("aegis.toml", "flower_port = 1002\n")
    named = write(tmp_path / "etc" / "ours.toml", 'max_upload_mb = 9\naegis_home = "state"\n')
    monkeypatch.setenv("AEGIS_CONFIG", str(named))

    settings = load()

    assert (settings.api_port, settings.flower_port, settings.max_upload_mb) == (8910, 5555, 9)
    assert settings.home == (tmp_path / "etc" / "state").resolve()


def test_aegis_config_may_name_lines_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_CONFIG", str(write(tmp_path / "prod.env", "API_PORT=1003\n")))

    assert load().api_port == 1003


@pytest.mark.parametrize("word", ["none", "inherited"])
def test_aegis_config_may_say_that_none_is_read(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    write(".env", "API_PORT=1001\n")
    write("aegis.toml", "api_port = 1002\n")
    monkeypatch.setenv("AEGIS_CONFIG", word)

    assert load().api_port == 8910


def test_a_file_that_aegis_config_names_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_CONFIG", "/nowhere/aegis.toml")

    assert refusal() == ["AEGIS_CONFIG: /nowhere/aegis.toml: there is no such file"]


def test_the_users_own_file_counts_where_the_folder_has_none(tmp_path: Path) -> None:
    users = write(tmp_path / "home" / ".config" / "aegis" / "aegis.toml", "api_port = 1004\n")

    assert load().api_port == 1004
    assert load().given["api_port"].source == str(users)

    write("aegis.toml", "flower_port = 1005\n")

    assert (load().api_port, load().flower_port) == (8910, 1005)


def test_a_folder_called_env_is_no_file_of_settings() -> None:
    Path(".env").mkdir()

    assert load().api_port == 8910
    assert read(Settings).warnings == ()


# --- whose file


@pytest.fixture
def somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the process is neither the owner of the files here nor root."""
    monkeypatch.setattr("rag.settings.configuration.os.geteuid", lambda: STRANGER)
    monkeypatch.setattr("rag.settings.configuration._ROOT", STRANGER)


@pytest.mark.parametrize("name", [".env", "aegis.toml"])
def test_a_file_of_another_user_is_not_read_and_that_is_told(name: str, somebody_else: None) -> None:
    write(name, "api_port=1001\n")

    assert load().api_port == 8910
    (warning,) = read(Settings).warnings
    assert warning.startswith(
        f"{name} is not read, since it belongs to user {os.getuid()}; AEGIS_CONFIG names"
    )


def test_a_link_of_another_user_to_a_file_that_would_be_read_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").symlink_to("/etc/passwd")
    if os.getuid() == 0:
        os.lchown(".env", STRANGER, STRANGER)
    else:
        monkeypatch.setattr("rag.settings.configuration.os.geteuid", lambda: STRANGER)

    (warning,) = read(Settings).warnings
    assert ".env is not read, since it belongs to user" in warning


def test_a_file_of_another_user_is_read_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, somebody_else: None
) -> None:
    monkeypatch.setenv("AEGIS_CONFIG", str(write(tmp_path / "mounted.toml", "api_port = 1001\n", 0o644)))

    assert load().api_port == 1001
    assert read(Settings).warnings == ()


@pytest.mark.parametrize("name", [".env", "aegis.toml"])
def test_a_file_that_everybody_may_write_is_not_read_and_that_is_told(name: str) -> None:
    write(name, "api_port=1001\n", 0o666)

    assert load().api_port == 8910
    assert read(Settings).warnings == (
        f"{name} is not read, since everybody may write to it: chmod o-w {name}",
    )


@pytest.mark.parametrize(
    ("name", "line"), [(".env", "BROKER_BINARY=/x"), ("aegis.toml", 'broker_binary="/x"')]
)
def test_a_file_of_the_folder_names_no_program(name: str, line: str) -> None:
    write(name, line)

    assert refusal() == [
        f"BROKER_BINARY in {name} is not taken, since it names a program: "
        "set it in the environment, or in a file that AEGIS_CONFIG names"
    ]


def test_a_file_that_is_named_may_name_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = write(tmp_path / "ours.toml", 'broker_binary = "/usr/bin/valkey-server"')
    monkeypatch.setenv("AEGIS_CONFIG", str(named))

    assert load().broker_binary == Path("/usr/bin/valkey-server")


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o640, True), (0o644, True)])
def test_a_file_with_a_secret_that_others_may_read_is_told(mode: int, told: bool) -> None:
    write(".env", "JINA_API_KEY=secret\n", mode)

    lines = (".env holds JINA_API_KEY, and others may read it: chmod 600 .env",)
    assert read(Settings).warnings == (lines if told else ())


def test_a_file_without_a_secret_may_be_read_by_others() -> None:
    write(".env", "API_PORT=1001\n", 0o644)

    assert read(Settings).warnings == ()


def test_the_file_of_a_secret_that_others_may_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = write(tmp_path / "key", "secret", 0o644)
    monkeypatch.setenv("JINA_API_KEY_FILE", str(key))

    assert read(Settings).warnings == (f"{key} holds JINA_API_KEY, and others may read it: chmod 600 {key}",)


# --- what is wrong with a file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api_port = ", "aegis.toml is not read: it is no TOML: Invalid value"),
        ('api_prot = 9\n"odd name" = 1', "api_prot in aegis.toml is not a setting: did you mean api_port?"),
        (
            '"odd name" = 1',
            "odd name in aegis.toml is not a setting: `aegis config show` lists what there is",
        ),
        ("a" * (MOST_BYTES + 1), "aegis.toml is not read: it is over 256 KB"),
    ],
)
def test_whatever_is_wrong_with_our_own_file_stops_the_start(text: str, said: str) -> None:
    write("aegis.toml", text)

    assert refusal()[0].startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"FOREIGN\nAPI_PORT=1\n", None),
        (b"A='\nAPI_PORT=1\n", ".env: line 1 is not read: it is not NAME=value"),
        (b"\xff\xfe", ".env is not read: it holds something else than text in UTF-8"),
        (
            b"A=" + b" " * 2000 + b"#\n",
            ".env is not read: it has over a thousand spaces or empty lines in a row",
        ),
        (b"A" * (MOST_BYTES + 1), ".env is not read: it is over 256 KB"),
    ],
)
def test_whatever_is_wrong_with_env_is_told_since_it_may_be_another_programs(
    content: bytes, said: str | None
) -> None:
    Path(".env").write_bytes(content)

    load()

    assert read(Settings).warnings == ((said,) if said else ())


def test_no_variable_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    write(".env", "GENERATOR_URL=https://elsewhere.example/${OPENAI_API_KEY}\n")

    assert refusal() == ["GENERATOR_URL in .env: no variable is put in for ${…}: write the value itself"]


@pytest.mark.parametrize(
    "table",
    [
        '[api_keys."${ADMIN_KEY_OF_AEGIS}"]\nname = "a"\nrole = "admin"\ncollections = ["*"]\n',
        '[api_keys.a-key-of-sixteen-or-more]\nname = "a"\nrole = "admin"\ncollections = ["${NAME}"]\n',
    ],
)
def test_no_variable_is_put_in_deeper_down_either(table: str) -> None:
    write("aegis.toml", table)

    assert refusal() == ["API_KEYS in aegis.toml: no variable is put in for ${…}: write the value itself"]


def test_a_wrong_value_is_told_with_its_file() -> None:
    write(".env", "API_PORT=x\n")
    write("aegis.toml", "flower_port = 70000\n")

    assert refusal() == [
        "API_PORT in .env: 'x' is not a whole number from 1 to 65535",
        "FLOWER_PORT in aegis.toml: 70000 is not a whole number from 1 to 65535",
    ]


# --- what is said, and handed on


def test_the_files_that_were_read_and_what_is_misspelt_are_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(".env", "API_PORT=1001\nOLAMA_URL=http://ollama\n")
    write("aegis.toml", "flower_port = 1002\n")

    load()
    load()

    assert capsys.readouterr().err.splitlines() == [
        "aegis: settings from .env and aegis.toml",
        "aegis: OLAMA_URL is not a setting: did you mean OLLAMA_URL?",
    ]


def test_a_file_that_gives_nothing_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    write(".env", "FOREIGN=1\n")

    load()

    assert capsys.readouterr().err == ""


def test_the_clouds_own_variables_reach_their_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    write(".env", "AWS_REGION=eu-central-1\nAWS_ENDPOINT_URL=http://file\nLD_PRELOAD=/x\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://environment")
    monkeypatch.delenv("AWS_REGION", raising=False)

    load()

    assert os.environ["AWS_REGION"] == "eu-central-1"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://environment"
    assert "LD_PRELOAD" not in os.environ


def test_a_process_that_inherits_has_the_same_settings_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("keys/message", "m" * 32)
    write(
        ".env",
        "QDRANT_API_KEY=q\nMESSAGE_KEY_FILE=keys/message\nCORS_ORIGINS=http://a.example, http://b.example\n",
    )
    write(
        "aegis.toml",
        'api_port = 9100\ntracing_enabled = false\nmin_relevance = 0.25\nmodel_dir = "models"\n'
        '[api_keys.key-of-sixteen-or-more]\nname = "ci"\nrole = "read"\ncollections = ["*"]\n',
    )
    monkeypatch.setenv("FLOWER_PORT", "tcp://10.0.0.1:5555")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    settings = load()

    environment = inherited(settings)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write(".env", "API_PORT=1\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    there = load()
    same = {name for name in Settings.model_fields if getattr(there, name) == getattr(settings, name)}
    assert set(Settings.model_fields) - same == {"model_dir"}
    assert there.model_dir == tmp_path / "here" / "models"
    assert "MESSAGE_KEY" not in environment, "a secret that lies in a file stays there"
    assert environment["FLOWER_PORT"] == "5555", "Flower reads it too"
    assert json.loads(environment["API_KEYS"]).keys() == {"key-of-sixteen-or-more"}


def test_a_process_that_inherits_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLAMA_URL", "http://ollama")
    monkeypatch.setenv("AEGIS_CONFIG", "inherited")

    load()

    assert capsys.readouterr().err == ""


def test_a_process_that_inherits_is_not_led_to_another_projects_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://elsewhere")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://elsewhere")

    assert not {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"} & inherited(load()).keys()
    assert read(Settings).remarks == (
        "CELERY_BROKER_URL is Celery's own, and is not taken: REDIS_URL names the broker",
        "CELERY_RESULT_BACKEND is Celery's own, and is not taken: REDIS_URL names the broker",
    )


@pytest.mark.parametrize("known", ["", "intranet.example"])
def test_a_process_that_inherits_a_proxy_reaches_this_machine_without_it(
    monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", known)

    environment = inherited(load())

    hosts = environment["no_proxy"].split(",")
    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert hosts == [*filter(None, [known]), "localhost", "127.0.0.1", "::1"]


@pytest.mark.parametrize("name", ["AEGIS_HOME", "AEGIS_CONFIG", "QDRANT_API_KEY_FILE"])
def test_a_user_that_is_unknown_is_told_in_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "~nosuchuser/x")

    with pytest.raises(ConfigurationError, match="nosuchuser"):
        _ = load().home
