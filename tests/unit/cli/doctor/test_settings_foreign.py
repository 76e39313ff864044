"""Variables of other programs stop nothing, and misspelt ones are told from them."""

import pytest

from cli.doctor import installation
from rag.errors import ConfigurationError
from rag.settings import Settings, load
from rag.settings.foreign import misspelt
from rag.settings.secret_files import secrets_of
from rag.settings.sources import read
from tests.operators import ALWAYS, ROLES

OTHERS = """
API_BASE API_PORT_8910_TCP API_PORT_8910_TCP_ADDR API_PORT_8910_TCP_PORT API_PORT_8910_TCP_PROTO
API_SECRET API_SERVICE_HOST API_SERVICE_PORT API_TOKEN API_URL APP_ENV APP_HOST APP_KEY APP_PORT
APP_TIMEOUT AEGIS_API_KEY AEGIS_API_SERVICE_PORT AEGIS_API_SERVICE_PORT_8910_TCP
AEGIS_API_SERVICE_SERVICE_HOST AEGIS_API_ACTIVE_PORT_8910_TCP_ADDR AEGIS_PROFILE AEGIS_URL
ANTHROPIC_API_KEY BACKUP_DIR BROKER_URL CACHE_URL CELERY_BROKER_URL CHUNK_SIZE CMAKE_GENERATOR
COHERE_API_KEY DATABASE_URL DB_HOST DB_PORT EMBEDDING_DIM ENV FLOWER_ADDRESS FLOWER_MAX_TASKS
FLOWER_PORT_5555_TCP FLOWER_SERVICE_PORT FLOWER_URL_PREFIX GEMINI_API_KEY GPG_KEY GROQ_API_KEY
HF_HOME HF_TOKEN HOME HOST JAEGER_AGENT_HOST JAEGER_AGENT_PORT JOURNAL_STREAM
KUBERNETES_SERVICE_HOST LANG LLM_MODEL LOGLEVEL LOG_DIR LOG_FILE LOG_FORMAT MAIL_HOST MAX_REQUESTS
MAX_TOKENS MAX_WORKERS MISTRAL_API_KEY MODEL_NAME MODEL_PATH NODE_ENV OLLAMA_BASE_URL
OLLAMA_CONTEXT_LENGTH OLLAMA_DEBUG OLLAMA_HOST OLLAMA_MAX_QUEUE OLLAMA_MODELS OLLAMA_NUM_PARALLEL
OLLAMA_ORIGINS OPENAI_API_KEY OPENAI_BASE_URL OTEL_EXPORTER_JAEGER_ENDPOINT PATH PORT
PROMETHEUS_MULTIPROC_DIR PWD QDRANT_COLLECTION QDRANT_HOST QDRANT_PORT QDRANT_VERSION
QDRANT__SERVICE__API_KEY REDISCLOUD_URL REDIS_DB REDIS_HOST REDIS_PASSWORD REDIS_PORT REDIS_TLS_URL
REQUEST_TIMEOUT RUST_LOG S3_BUCKET S3_ENDPOINT SECRET_KEY SENTRY_DSN SHELL SMTP_HOST STAGE TENANT_ID
TERM TIMEOUT TOP_K TRUSTED_HOSTS USER VECTOR_DB VECTOR_STORE WEB_CONCURRENCY WORKERS
"""
"""Of shells, pods and other programs, with white space between."""

MEANT = {
    "AEGIS_API_PORT": "API_PORT",
    "AEGIS_ULR": "AEGIS_URL",
    "API_KEYZ": "API_KEY",
    "API_PROT": "API_PORT",
    "CACHE_TTL": "CACHE_TTL_SECONDS",
    "COLECTION_NAME": "COLLECTION_NAME",
    "COLLECTION": "COLLECTION_NAME",
    "EMBEDING_MODEL": "EMBEDDING_MODEL",
    "FLOWER_BASICAUTH": "FLOWER_BASIC_AUTH",
    "KEY_REQUIRED": "KEYS_REQUIRED",
    "OLAMA_URL": "OLLAMA_URL",
    "OLLAMA_MODLE": "OLLAMA_MODEL",
    "QDRANT_APIKEY": "QDRANT_API_KEY",
    "QDRANT_ULR": "QDRANT_URL",
    "RATE_LIMIT_REQUESTS": "RATE_LIMIT_REQUESTS_PER_MINUTE",
    "REDIS_URI": "REDIS_URL",
    "REDIS_URL_FIL": "REDIS_URL_FILE",
    "VECTORSIZE": "VECTOR_SIZE",
}


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def told(*names: str) -> dict[str, str]:
    return misspelt(names, Settings.model_fields, secrets_of(Settings))


@pytest.mark.parametrize("name", MEANT)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name: str) -> None:
    assert told(name) == {name: f"{name} is not a setting: did you mean {MEANT[name]}?"}


def test_variables_of_other_programs_are_not_taken_for_misspelt_ones() -> None:
    assert told(*OTHERS.split()) == {}


def test_the_operators_variables_are_all_known() -> None:
    assert told(*ALWAYS, *ROLES) == {}


def test_a_variable_beside_the_one_that_it_is_like_is_another_programs() -> None:
    assert told("REDIS_URI", "REDIS_URL") == {}


def test_a_file_for_what_is_no_secret_is_told() -> None:
    assert told("API_PORT_FILE") == {
        "API_PORT_FILE": "API_PORT_FILE has no effect: only a secret may lie in a file"
    }


@pytest.mark.parametrize(
    ("name", "value", "field", "default"),
    [
        ("DEBUG", "*", "debug", False),
        ("DEBUG", "express:*,-router", "debug", False),
        ("API_PORT", "tcp://10.96.0.7:8910", "api_port", 8910),
        ("FLOWER_PORT", "tcp://10.96.0.7:5555", "flower_port", 5555),
        ("SMOLLM2_PORT", "udp://10.96.0.7:5555", "smollm2_port", 8911),
        ("LOG_LEVEL", "info,hyper=warn", "log_level", "INFO"),
        ("JOURNAL", "~/notes/journal.txt", "journal", None),
    ],
)
def test_a_value_of_another_program_is_as_good_as_none_and_remarked(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, default: object
) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(load(), field) == default
    assert read(Settings).remarks == (f"{name}: {value!r} is another program's, and is not taken",)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "x"), ("HOST", "x"), ("WORKERS", "x"), ("REDIS_HOST", "x")]
)
def test_what_has_no_name_of_ours_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert load().api_port == 8910


@pytest.mark.parametrize(
    ("value", "level"),
    [("debug", "DEBUG"), ("Info", "INFO"), ("warn", "WARNING"), ("trace", "DEBUG"), ("FATAL", "CRITICAL")],
)
def test_a_level_is_known_by_the_words_of_other_programs(
    monkeypatch: pytest.MonkeyPatch, value: str, level: str
) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)

    assert load().log_level == level


def test_what_is_neither_ours_nor_known_as_anothers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")
    monkeypatch.setenv("API_PORT", "http://x")

    with pytest.raises(ConfigurationError) as refused:
        load()

    assert str(refused.value).splitlines() == [
        "DEBUG: 'perhaps' is not true or false",
        "API_PORT: 'http://x' is not a whole number from 1 to 65535",
    ]


def test_the_doctor_tells_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLAMA_URL", "http://ollama")
    monkeypatch.setenv("DEBUG", "*")

    texts = [each.text for each in installation.examine(load()) if each.part == "settings"]

    assert texts[1:] == [
        "OLAMA_URL is not a setting: did you mean OLLAMA_URL?",
        "DEBUG: '*' is another program's, and is not taken",
    ]
