"""The operators' variables: every one is a setting that does something, and a wrong value stops the start."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import run
from rag.errors import ConfigurationError
from rag.settings import Settings, load
from rag.settings.__main__ import reference_page
from rag.settings.secret_files import secrets_of
from tests.operators import ALWAYS, ROLES, WRONG

ROOT = Path(__file__).parents[3]
SETTINGS = ROOT / "rag" / "settings"
HOUSES = ("api", "beat", "cli", "rag", "tasks", "workers")


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def _attributes(tree: ast.AST) -> set[str]:
    """Names after a dot anywhere in it, and those that are looked up by ``getattr``."""
    nodes = list(ast.walk(tree))
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | named


def _trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for module in folder.rglob("*.py"):
        yield module, ast.parse(module.read_text("utf-8"))


def _read_from_settings(tree: ast.AST) -> Iterator[str]:
    """What is read of an object whose name says that it is the settings, or of ``load()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith(("settings", "load()")):
            yield node.attr


def _used_outside() -> set[str]:
    """What the code outside of ``rag/settings`` reads of the settings."""
    return {
        name
        for house in HOUSES
        for module, tree in _trees(ROOT / house)
        if module.parent != SETTINGS
        for name in _read_from_settings(tree)
    }


def _derived() -> dict[str, set[str]]:
    """What each property and method of the settings is made from."""
    return {
        function.name: _attributes(function)
        for _, tree in _trees(SETTINGS)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
    }


def _effective() -> set[str]:
    """Settings that reach the code outside, by themselves or through what is derived from them."""
    reached, derived = _used_outside(), _derived()
    while more := {name for user in reached & derived.keys() for name in derived[user]} - reached:
        reached |= more
    return reached & Settings.model_fields.keys()


def test_every_variable_of_the_operators_is_a_setting() -> None:
    page = reference_page()

    for name in ALWAYS | ROLES:
        assert Settings.model_fields[name.lower()].description
        assert f"| `{name}` |" in page


def test_every_setting_has_an_effect() -> None:
    assert set(Settings.model_fields) - _effective() == set()


def test_the_environment_that_the_page_on_production_shows_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/reference/production.md").read_text("utf-8")
    shown = page.partition("```sh\n# .env\n")[2].partition("```")[0]
    for name, _, value in (pair.partition("=") for pair in shown.splitlines()):
        monkeypatch.setenv(name, value)

    settings = load()

    assert (settings.embedded_by, settings.answered_by) == ("jina", "ollama")
    assert len(settings.qdrant_addresses) == 3


def test_every_setting_that_the_page_on_production_names_is_there() -> None:
    page = (ROOT / "docs/reference/production.md").read_text("utf-8")
    named = set(re.findall(r"`([A-Z][A-Z_]{5,})[`=]", page))

    secret_files = {f"{name}_file" for name in secrets_of(Settings)}
    known = {*Settings.model_fields, *secret_files, "ssl_cert_file", "aegis_config"}
    assert {name for name in named if name.lower() not in known} == set()


def test_the_operators_values_load_and_choose_every_external_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ALWAYS | ROLES).items():
        monkeypatch.setenv(name, value)

    settings = load()

    assert not settings.embedded_broker
    assert settings.qdrant_url == "http://qdrant:6333"
    assert (settings.embedded_by, settings.reranked_by, settings.answered_by) == ("jina", "jina", "ollama")
    assert (settings.embedding_name, settings.dimension) == ("jina-embeddings-v3", 1024)
    assert settings.traces_url == "http://jaeger:4318/v1/traces"


def test_the_same_values_without_the_addresses_choose_every_embedded_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ALWAYS.items():
        monkeypatch.setenv(name, value)

    settings = load()

    assert settings.embedded_broker
    assert settings.qdrant_url is None
    assert (settings.embedded_by, settings.reranked_by, settings.answered_by) == (
        "bundled",
        "bundled",
        "extractive",
    )
    assert (settings.embedding_name, settings.dimension) == ("all-MiniLM-L6-v2", 384)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_switches_alone(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setenv(role, ROLES[role])

    settings = load()

    external = {
        "QDRANT_URL": settings.qdrant_url is not None,
        "OLLAMA_URL": settings.answered_by == "ollama",
        "REDIS_URL": not settings.embedded_broker,
        "JINA_API_KEY": (settings.embedded_by, settings.reranked_by) == ("jina", "jina"),
    }
    assert [name for name, chosen in external.items() if chosen] == [role]


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_a_wrong_value_of_each_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["aegis", "up"])

    with pytest.raises(SystemExit) as left:
        run()

    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line.upper()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://jaeger:14268", "http://jaeger:4318/v1/traces"),
        ("http://jaeger:14268/api/traces", "http://jaeger:4318/v1/traces"),
        ("http://jaeger:4318", "http://jaeger:4318/v1/traces"),
        ("http://jaeger:4318/", "http://jaeger:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
        ("http://[::1]:14268", "http://[::1]:4318/v1/traces"),
    ],
)
def test_spans_go_where_the_address_takes_them(monkeypatch: pytest.MonkeyPatch, given: str, url: str) -> None:
    monkeypatch.setenv("JAEGER_ENDPOINT", given)

    assert load().traces_url == url


def test_no_spans_go_anywhere_without_an_address_or_when_that_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load().traces_url is None

    monkeypatch.setenv("JAEGER_ENDPOINT", "http://jaeger:4318")
    monkeypatch.setenv("TRACING_ENABLED", "false")

    assert load().traces_url is None


def test_a_key_is_never_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina secret")

    with pytest.raises(ConfigurationError) as error:
        load()

    assert "secret" not in str(error.value)
    assert "JINA_API_KEY" in str(error.value)
