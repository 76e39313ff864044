"""A start that would open a door to everybody is refused, unless that is meant."""

import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import access
from cli.supervisor import preflight
from cli.supervisor.container import choose
from cli.supervisor.services import API, BROKER, FLOWER
from rag.errors import ConfigurationError
from rag.settings import Settings, load
from rag.startup import require_closed_api, require_closed_broker, require_closed_flower

ROOT = Path(__file__).parents[4]
KEYS = {"a-key-of-sixteen-or-more": {"name": "ci", "role": "read", "collections": ["*"]}}
PUBLIC = (
    {"api_host": "0.0.0.0"},
    {"api_host": "::"},
    {"api_host": "10.1.2.3"},
    {"redis_url": "redis://redis/0"},
)
CLOSED = (
    {},
    {"api_host": "127.0.0.1"},
    {"api_host": "::1"},
    {"api_host": "localhost", "redis_url": "redis://redis/0"},
)


def settings(**fields: Any) -> Settings:
    return Settings.model_validate({"redis_url": None, "api_host": "", **fields})


@pytest.mark.parametrize("host", ["foo..bar", ".", "a" * 70])
def test_a_name_that_none_can_have_is_refused_in_words(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"API_HOST: .* is no address of this machine"):
        preflight.check_host(host)


@pytest.mark.parametrize("fields", PUBLIC)
def test_a_public_address_needs_keys_and_a_password(fields: dict[str, str]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"API_HOST: the API would listen on .* set API_KEYS"
    ) as error:
        require_closed_api(settings(**fields))
    with pytest.raises(ConfigurationError, match=r"Flower would listen on .* set FLOWER_BASIC_AUTH"):
        require_closed_flower(settings(**fields, api_keys=KEYS))

    assert "\n" not in str(error.value)
    assert "ALLOW_ANONYMOUS=true" in str(error.value)
    require_closed_api(settings(**fields, api_keys=KEYS))
    require_closed_flower(settings(**fields, flower_basic_auth="me:secret"))
    require_closed_flower(settings(**fields, flower_auth=".*@example.com"))


WAYS = (
    {"api_keys": KEYS},
    {"keys_required": True},
    {"oidc_issuer": "https://id.example.com", "oidc_audience": "aegis"},
)
PAGES = ("docs/reference/production.md", "docs/reference/container.md")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way)))
def test_each_way_to_ask_for_keys_will_do_and_the_pages_name_it(way: dict[str, Any]) -> None:
    require_closed_api(settings(api_host="0.0.0.0", **way))

    name = next(iter(way)).upper()
    for page in PAGES:
        paragraph = next(text for text in paragraphs(page) if "FLOWER_BASIC_AUTH" in text)
        assert name in paragraph, page


def paragraphs(page: str) -> list[str]:
    return re.split(r"\n(?=\n|- )", (ROOT / page).read_text("utf-8"))


@pytest.mark.parametrize("fields", [*CLOSED, *({**fields, "allow_anonymous": True} for fields in PUBLIC)])
def test_this_machine_alone_needs_neither_nor_does_who_means_everybody(fields: dict[str, Any]) -> None:
    require_closed_api(settings(**fields))
    require_closed_flower(settings(**fields))


@pytest.mark.parametrize("missing", [{}, {"api_keys": KEYS}, {"flower_basic_auth": "me:secret"}])
def test_the_stack_does_not_start_with_an_open_door(missing: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="API_HOST"):
        preflight.check(settings(api_host="0.0.0.0", **missing))


@pytest.mark.parametrize(
    ("module", "who", "arguments"),
    [
        (
            "uvicorn",
            "the API",
            ("api.main:app_factory", "--factory", "--port", "0", "--log-level", "critical"),
        ),
        ("cli.supervisor.flower", "Flower", ("--port=0",)),
    ],
)
def test_a_part_by_itself_does_not_either(
    module: str, who: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.delenv("API_HOST", raising=False)

    left = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, timeout=120
    )

    assert left.returncode != 0
    (line,) = left.stderr.splitlines()
    assert line.startswith(
        f"{who} cannot start: API_HOST: {who} would listen on 0.0.0.0, as REDIS_URL has it"
    )


@pytest.mark.parametrize("part", [API, FLOWER])
def test_a_container_of_it_does_not_either(part: str) -> None:
    with pytest.raises(ConfigurationError, match="API_HOST"):
        choose([part], settings(api_host="0.0.0.0"))

    choose([part], settings(api_host="0.0.0.0", allow_anonymous=True))


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, False),
        ({"broker_host": "127.0.0.1"}, False),
        ({"broker_host": "::1"}, False),
        ({"broker_host": "0.0.0.0"}, True),
        ({"broker_host": "::"}, True),
        ({"broker_host": "10.1.2.3"}, True),
        ({"broker_host": "0.0.0.0", "broker_password": "a-password-of-some-length"}, False),
        ({"broker_host": "0.0.0.0", "allow_anonymous": True}, False),
    ],
)
def test_a_broker_that_others_reach_needs_a_password(
    fields: dict[str, Any], refused: bool, tmp_path: Path
) -> None:
    given = settings(aegis_home=tmp_path, **fields)
    expectation = pytest.raises(ConfigurationError, match=r"BROKER_HOST: .* set BROKER_PASSWORD")

    with expectation if refused else nullcontext():
        choose([BROKER], given)
    with expectation if refused else nullcontext():
        require_closed_broker(given)


def test_workers_need_no_key() -> None:
    assert choose(["worker-embed"], settings(redis_url="redis://redis/0")).name == "worker-embed"


def test_without_a_password_flower_only_shows() -> None:
    open_one = choose([FLOWER], settings(api_host="127.0.0.1"))
    closed = choose([FLOWER], settings(api_host="127.0.0.1", flower_basic_auth="me:secret"))

    assert "--read_only=True" in open_one.command
    assert "--read_only=True" not in closed.command
    assert {part.environment["FLOWER_UNAUTHENTICATED_API"] for part in (open_one, closed)} == {"false"}
    assert closed.environment["FLOWER_BASIC_AUTH"] == "me:secret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLOWER_BASIC_AUTH", "just-a-user"),
        ("FLOWER_BASIC_AUTH", "me:"),
        ("FLOWER_BASIC_AUTH", "me:secret,you"),
        ("ALLOWED_HOSTS", '["http://rag.example.com"]'),
        ("ALLOWED_HOSTS", '["rag.example.com:8910"]'),
        ("ALLOWED_HOSTS", '["a.*"]'),
        ("FLOWER_URL", "https://rag.example.com/flower/"),  # without FLOWER_URL_PREFIX
        ("FLOWER_URL_PREFIX", "https://rag.example.com/flower"),
        ("CONSOLE_URL", "rag.example.com"),
    ],
)
def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=name) as error:
        load()

    if name == "FLOWER_BASIC_AUTH":
        assert "secret" not in str(error.value)
        assert "just-a-user" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "state", "said"),
    [
        ({}, "ok", "alone"),
        ({"cors_origins": ["*"]}, "note", "any page"),
        ({"api_host": "0.0.0.0"}, "bad", "set API_KEYS"),
        ({"api_host": "0.0.0.0", "allow_anonymous": True}, "note", "whoever reaches it"),
        ({"api_host": "0.0.0.0", "api_keys": KEYS}, "ok", "asks for a key"),
    ],
)
def test_the_doctor_says_who_may_do_everything(
    fields: dict[str, Any], state: str, said: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    found = {one.part: one for one in access.examine(settings(aegis_home=home, **fields))}

    assert (found["access"].state, said in found["access"].text) == (state, True)
    assert (found["Flower"].state == "bad") is (
        fields.get("api_host") == "0.0.0.0" and "allow_anonymous" not in fields
    )
    assert found["AEGIS_HOME"].remedy == f"chmod 700 {home}"
    home.chmod(0o700)
    assert [one.state for one in access.examine(settings(aegis_home=home))] == ["ok"] * 3
