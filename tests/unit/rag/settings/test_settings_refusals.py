"""Wrong settings are told all at once, a line each: name, value, and what would be right."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from rag.errors import ConfigurationError
from rag.settings import Settings, load
from rag.settings.secret_files import secrets_of
from rag.settings.wording import is_short, wanted

SECRET = "s3cr3t-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refusal() -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load()
    return str(refused.value).splitlines()


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "API_PORT": "x",
        "TOP_K_RERANK": "50",
        "QDRANT_URL": "qdrant:6333",
        "HEALTH_TOKEN": "short",
        "STAGE_TIMEOUT": "soon",
        "LEASE_SECONDS": "2000",
        "MESSAGE_KEY_FILE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)

    begins = [
        "MESSAGE_KEY_FILE: there is no file /nowhere",
        "API_PORT: 'x' is not a whole number from 1 to 65535",
        "HEALTH_TOKEN: its value is not a text of 16 characters or more",
        "STAGE_TIMEOUT: 'soon' is not a number over 0",
        "QDRANT_URL: 'qdrant:6333' is not an http:// or https:// address, such as http://qdrant:6333, or",
        "TOP_K_RERANK (50) is over TOP_K_RETRIEVAL (10): fewer are retrieved than shall be kept, so lower",
        "API_TIMEOUT (300) must be over LEASE_SECONDS (2000), or a question whose worker died would never",
    ]
    lines = refusal()
    assert len(lines) == len(begins)
    for line, begin in zip(lines, begins, strict=True):
        assert line.startswith(begin)


def test_what_follows_from_a_wrong_value_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_TIMEOUT", "two hours")
    monkeypatch.setenv("LEASE_SECONDS", "200")
    monkeypatch.setenv("PARSE_TIMEOUT", "1000")

    assert refusal() == ["STAGE_TIMEOUT: 'two hours' is not a number over 0"]


def numbers() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        if is_short(field):
            yield name, field


@pytest.mark.parametrize(
    ("name", "field"), list(numbers()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_wrong_number_or_choice_is_told_with_its_value_and_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, name: str, field: FieldInfo
) -> None:
    monkeypatch.setenv(name.upper(), "n/a" if name != "journal" else "n-a")

    (line,) = refusal()

    value = "n/a" if name not in ("log_level", "journal") else {"log_level": "N/A", "journal": "n-a"}[name]
    assert line == f"{name.upper()}: {value!r} is not {wanted(field)}"
    assert wanted(field).startswith(("a whole number", "a number", "true or false", "one of "))


def test_every_pattern_of_a_setting_is_put_into_words() -> None:
    texts = {name: wanted(field) for name, field in Settings.model_fields.items()}

    assert {name: text for name, text in texts.items() if "matches" in text} == {}


@pytest.mark.parametrize("name", sorted(secrets_of(Settings)))
def test_a_wrong_secret_is_not_quoted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name.upper(), f"{SECRET[:11]} ü")
    monkeypatch.setenv("API_PORT", "x")

    said = "\n".join(refusal())

    assert SECRET[:11] not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("QDRANT_URL", f"ftp://me:{SECRET}@host", "QDRANT_URL: 'ftp://…@host' is not"),
        ("QDRANT_URL", f"me:{SECRET}@host:6333", "QDRANT_URL: '…@host:6333' is not"),
        ("QDRANT_URL", f"ftp://me:{SECRET}/x,{SECRET}@host", "QDRANT_URL: 'ftp://…@host' is not"),
        ("QDRANT_URL", f"me@{SECRET}://{SECRET}@host", "QDRANT_URL: '…@host' is not"),
        ("API_HOST", f"http://host?token={SECRET}", "API_HOST: 'http://host?…' is not"),
        ("MAX_UPLOAD_MB", SECRET, f"MAX_UPLOAD_MB: a value of {len(SECRET)} characters is not"),
        ("COLLECTION_NAME", "a\nb\x1b[31m", "COLLECTION_NAME: 'a\\\\nb\\\\x1b[31m': a collection name has"),
        ("ENVIRONMENT", "e" * 500, f"ENVIRONMENT: '{'e' * 80}…' is not"),
    ],
)
def test_a_value_is_shown_without_credentials_in_a_line_and_cut(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    (line,) = refusal()

    assert line.startswith(said)
    assert SECRET not in line


LISTS = {
    "cors_origins": ("https://a.example", "https://b.example"),
    "allowed_hosts": ("a.lan", "*.b.lan"),
    "trusted_proxies": ("10.0.0.0/8", "192.0.2.1"),
    "oidc_algorithms": ("RS256", "ES256"),
    "context_metadata": ("product", "version"),
}


def test_every_list_is_among_those_that_are_tried() -> None:
    assert {name for name, field in Settings.model_fields.items() if "tuple" in str(field.annotation)} == set(
        LISTS
    )


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("form", ["{0},{1}", "{0}, {1},", " {0} {1} ", '["{0}", "{1}"]'])
def test_a_list_is_written_with_commas_or_in_json(
    monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    monkeypatch.setenv(name.upper(), form.format(*LISTS[name]))

    assert getattr(load(), name) == LISTS[name]


def test_a_list_of_one_needs_no_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")

    assert load().cors_origins == ("*",)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "CORS_ORIGINS",
            '["a"',
            'CORS_ORIGINS: \'["a"\': this is no JSON list, such as ["one", "two"]; one, two is the same',
        ),
        ("OIDC_ALGORITHMS", "RS256, HS256", "OIDC_ALGORITHMS: 'HS256' is not one of RS256, RS384"),
        ("OIDC_ALGORITHMS", "[]", "OIDC_ALGORITHMS: [] is not a list of one or more, with commas between"),
        ("OIDC_ROLES", "staff", 'OIDC_ROLES: \'staff\': this is no JSON object, such as {"name": "value"}'),
        ("OIDC_ROLES", '{"staff": "root"}', "OIDC_ROLES: 'root' is not one of read, write, admin"),
        ("TRUSTED_PROXIES", "*", "TRUSTED_PROXIES: '*' is no address and no network, such as 10.0.0.0/8"),
    ],
)
def test_what_is_wrong_in_a_list_or_an_object_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(name, value)

    (said,) = refusal()

    assert said.startswith(line)


def test_a_choice_is_taken_in_any_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARSE_ISOLATION", "Strict")
    monkeypatch.setenv("GENERATOR", "EXTRACTIVE")

    settings = load()

    assert (settings.parse_isolation, settings.generator) == ("strict", "extractive")


@pytest.mark.parametrize(
    ("embedder", "model", "line"),
    [
        (
            "jina",
            "multilingual-e5-small",
            "EMBEDDING_MODEL=multilingual-e5-small is bundled: EMBEDDER=jina needs",
        ),
        (
            "bundled",
            "multilingual-e5",
            "EMBEDDING_MODEL: 'multilingual-e5' is not bundled: EMBEDDER=bundled has",
        ),
    ],
)
def test_a_model_that_the_embedder_does_not_have_is_told(
    monkeypatch: pytest.MonkeyPatch, embedder: str, model: str, line: str
) -> None:
    monkeypatch.setenv("JINA_API_KEY", "some-key")
    monkeypatch.setenv("EMBEDDER", embedder)
    monkeypatch.setenv("EMBEDDING_MODEL", model)

    (told,) = refusal()

    assert told.startswith(line)
