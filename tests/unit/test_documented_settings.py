"""What the pages tell people to set can be set."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands.config import app
from rag.settings import Settings
from rag.settings.client import CLIENT_VARIABLES
from rag.settings.secret_files import secrets_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")])

_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "PIP_", "UV_", "CELERY_")
"""What others read, each with a page of its own."""

_OTHERS = frozenset(
    {
        *CLIENT_VARIABLES,
        "AEGIS_API_PORT",
        "AEGIS_CONFIG",
        "COSIGN_KEY",
        "KUBE_AUDIENCE",
        "KUBE_CA",
        "KUBE_SERVER",
        "REGISTRY_PASSWORD",
        "REGISTRY_USER",
        "FLOWER_AUTH_PROVIDER",
        "FLOWER_COOKIE_SECRET",
        "FLOWER_OAUTH2_KEY",
        "FLOWER_OAUTH2_REDIRECT_URI",
        "FLOWER_OAUTH2_SECRET",
        "HTTP_PROXY",
        "NO_COLOR",
        "LIVENESS_SECONDS",
        "OLAMA_URL",
        "OLLAMA_HOST",
        "OLLAMA_MAX_LOADED_MODELS",
        "OLLAMA_NUM_PARALLEL",
        "RATE_LIMIT_REQUESTS",
        "REDIS_HOST",
        "ORT_DISABLE_TELEMETRY",
        "COMPOSE_PROFILES",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
        "REMAP_SIGTERM",
        "RLIMIT_DATA",
        "RLIMIT_NPROC",
        "QDRANT_BIN",
        "BUCKET_URLS",
        "NEW_KEY",
        "NEW_URL",
        "NAME_FILE",
        "SSL_CERT_FILE",
    }
)
"""Others', what tests take, what a reader puts in or misspells, and what says where settings lie."""

_KNOWN = frozenset(Settings.model_fields) | {f"{name}_file" for name in secrets_of(Settings)}

_OF_COMPOSE = frozenset(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
"""Variables of docker-compose.yml that are no settings: images, sizes, numbers of containers."""

_SETTINGS = re.compile(r"^```\w+\n# (\.env|aegis\.toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECRETS = "/run/secrets"
"""Where files of secrets are on the pages."""

_CROWDED = re.compile(r"^(?:[A-Z_]+=\S* )+[A-Z_]+=\S*$", re.MULTILINE)
"""Settings alone: what a shell takes before a command has one behind it."""

_IN_CONTAINER = re.compile(r"docker exec (.+?) aegis ")

_NAMED = re.compile(r"(?<![A-Za-z0-9_/…])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![A-Za-z0-9_*])")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_setting_that_a_page_names_is_there(page: Path) -> None:
    named = set(_NAMED.findall(page.read_text("utf-8"))) - _OTHERS

    unknown = {name for name in named if name.lower() not in _KNOWN}

    assert {name for name in unknown - _OF_COMPOSE if not name.startswith(_CLOUDS)} == set()


def test_names_are_told_from_other_words() -> None:
    text = "With `QDRANT_REPLICAS` of 2, BACKUP_KEEP_… and `AWS_…`: /API_X, JSON, a_B, REDIS_URL."

    assert _NAMED.findall(text) == ["QDRANT_REPLICAS", "REDIS_URL"]


def settings_blocks() -> list[tuple[Path, str, str]]:
    """(page, file that it shows, text of that file)."""
    return [(page, *block) for page in PAGES for block in _SETTINGS.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("page", "name", "text"),
    [pytest.param(*block, id=f"{block[0].stem}-{block[1]}") for block in settings_blocks()],
)
def test_a_settings_file_that_a_page_shows_is_right(
    page: Path, name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in (*Settings.model_fields, "aegis_config"):
        monkeypatch.delenv(setting.upper(), raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, text.replace(_SECRETS, str(tmp_path)))
    for secret in re.findall(rf"{_SECRETS}/(\w+)", text):
        write(tmp_path / secret, "a-secret-of-somebody")

    checked = CliRunner().invoke(app, ["check"])

    assert checked.exit_code == 0, checked.output
    assert name in checked.stdout


def write(path: Path, text: str) -> None:
    """For its owner alone."""
    path.touch(0o600)
    path.write_text(text, "utf-8")


def test_pages_show_settings_files() -> None:
    shown = {(page.stem, name) for page, name, _ in settings_blocks()}

    assert shown >= {("production", ".env"), ("configuration", ".env"), ("configuration", "aegis.toml")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_shows_several_settings_on_a_line(page: Path) -> None:
    assert _CROWDED.findall(page.read_text("utf-8")) == []


def test_a_command_in_a_container_is_given_a_key() -> None:
    options = [found for page in PAGES for found in _IN_CONTAINER.findall(page.read_text("utf-8"))]

    assert options
    assert [given for given in options if "-e API_KEY " not in given] == []
