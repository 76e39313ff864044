"""Settings: defaults that fit the parts in use, and one clear line for a wrong value."""

from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import Role, Settings, load


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "API_HOST", "API_WORKERS", "API_KEYS", "GENERATOR", "AEGIS_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_one_machine_listens_on_loopback_and_knows_no_rate_limit() -> None:
    settings = load()

    assert settings.listen_host == "127.0.0.1"
    assert settings.api_processes == 1
    assert (settings.requests_per_minute, settings.reads_per_minute) == (0, 0)


def test_a_redis_server_brings_the_production_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/0")

    settings = load()

    assert (settings.listen_host, settings.api_processes, settings.requests_per_minute) == ("0.0.0.0", 4, 100)
    assert settings.records_url == "redis://redis:6379/0"


@pytest.mark.parametrize(("reads", "limit"), [("", 140), ("0", 0), ("9", 9)])
def test_a_limit_that_is_set_counts_everywhere(
    monkeypatch: pytest.MonkeyPatch, reads: str, limit: int
) -> None:
    monkeypatch.setenv("RATE_LIMIT_REQUESTS_PER_MINUTE", "7")
    monkeypatch.setenv("RATE_LIMIT_READS_PER_MINUTE", reads)

    settings = load()

    assert (settings.requests_per_minute, settings.reads_per_minute) == (7, limit)


def test_api_keys_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", '{"s3cret-of-sixteen": {"name":"ci","role":"write", "collections":["a"]}}')

    key = load().api_keys["s3cret-of-sixteen"]

    assert (key.name, key.role, key.collections) == ("ci", Role.WRITE, ("a",))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_PORT", "x", "API_PORT"),
        ("API_PORT", "70000", "API_PORT"),
        ("API_KEYS", "{oops", "API_KEYS: this is no JSON object"),
        ("API_KEYS", '{"k": {"name": "n", "role": "root"}}', "API_KEYS: entry 1: the key has 16 to"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL"),
        ("BACKUP_SCHEDULE", "hourly", "BACKUP_SCHEDULE: 'hourly' is no schedule"),
        ("BACKUP_VERIFY_SCHEDULE", "60 * * * *", "BACKUP_VERIFY_SCHEDULE"),
        ("BACKUP_REHEARSE_SCHEDULE", "0 4 * * 7", "BACKUP_REHEARSE_SCHEDULE"),
        ("BACKUP_PRUNE_SCHEDULE", "0 0 30 2 *", "BACKUP_PRUNE_SCHEDULE"),
        ("COLLECTION_NAME", "no spaces", "COLLECTION_NAME"),
        ("REDIS_URL", "amqp://rabbit", "REDIS_URL"),
        ("QDRANT_URL", "qdrant:6333", "QDRANT_URL"),
        ("QDRANT_URL", "http://one:6333,two:6333", "QDRANT_URL"),
        ("QDRANT_CA_FILE", "/nowhere/ca.pem", "QDRANT_CA_FILE"),
        ("JINA_BASE_URL", "ftp://models", "JINA_BASE_URL"),
        ("MIN_RELEVANCE", "45", "MIN_RELEVANCE"),
        ("OLLAMA_URL", "http://one:11434,two:11434", "OLLAMA_URL"),
        ("EMBEDDER", "jina", "JINA_API_KEY"),
        ("EMBEDDER", "ollama", "OLLAMA_URL"),
        ("QDRANT_WRITE_CONSISTENCY_FACTOR", "3", "QDRANT_REPLICATION_FACTOR"),
        ("BLOB_KMS_KEY", "alias/mine", "BLOB_ENCRYPTION"),
        ("BLOB_ENCRYPTION", "AES256", "s3:// alone"),
        ("BACKUP_KEY", "too short", "BACKUP_KEY: a passphrase needs 16 characters or more"),
        ("BACKUP_PART_MB", "257", "BACKUP_PART_MB"),
        ("BACKUP_KEEP_DAYS", "nan", "BACKUP_KEEP_DAYS"),
        ("BACKUP_URL", Path(".aegis/blobs/backups").absolute().as_uri(), "BACKUP_URL and BLOB_URL"),
        ("GENERATOR", "openai", "GENERATOR_URL"),
        ("TOP_K_RERANK", "50", "TOP_K_RETRIEVAL"),
        ("LEASE_SECONDS", "1000", "STAGE_TIMEOUT (900) must be over LEASE_SECONDS (1000)"),
        ("VISIBILITY_TIMEOUT", "900", "VISIBILITY_TIMEOUT (900) must be over STAGE_TIMEOUT (900)"),
        ("STALE_LEASE_SECONDS", "1000", "STALE_LEASE_SECONDS (1000) must be over VISIBILITY_TIMEOUT (1020)"),
        ("INTERACTIVE_TIMEOUT", "2000", "VISIBILITY_TIMEOUT (1020) must be over INTERACTIVE_TIMEOUT (2000)"),
        ("PARSE_TIMEOUT", "900", "STAGE_TIMEOUT (900) must be over PARSE_TIMEOUT (900)"),
        ("OCR_TIMEOUT", "900", "STAGE_TIMEOUT (900) must be over OCR_TIMEOUT (900)"),
        ("FETCH_TIMEOUT", "900", "STAGE_TIMEOUT (900) must be over FETCH_TIMEOUT (900)"),
        ("GENERATOR_TIMEOUT", "901", "STAGE_TIMEOUT (900) must be over GENERATOR_TIMEOUT (901)"),
        ("API_TIMEOUT", "30", "API_TIMEOUT (30) must be over LEASE_SECONDS (30)"),
    ],
)
def test_a_wrong_value_is_refused_by_name_in_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as error:
        load()

    assert sum(said in line for line in str(error.value).splitlines()) == 1


def test_encryption_by_the_server_may_be_for_backups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOB_ENCRYPTION", "AES256")
    monkeypatch.setenv("BACKUP_URL", "s3://bucket/backups")

    assert load().blob_encryption == "AES256"


def test_a_passphrase_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_KEY", "correct horse battery")

    assert "horse" not in repr(load())


def test_unset_times_follow_the_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_TIMEOUT", "2000")

    settings = load()

    assert (settings.visibility_timeout, settings.stale_lease_seconds) == (2120, 2300)


def test_a_wrong_time_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_TIMEOUT", "soon")

    with pytest.raises(ConfigurationError) as error:
        load()

    assert str(error.value).count("STAGE_TIMEOUT") == 1
    assert "\n" not in str(error.value)


def test_sockets_of_a_deep_home_stay_under_the_limit_of_unix_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / ("deep" * 30)))

    assert len(str(load().vector_socket)) < 100


def test_questions_are_in_no_log_unless_that_is_wanted() -> None:
    assert Settings().log_questions is False
    assert Settings(log_questions=True).log_questions is True


@pytest.mark.parametrize(
    ("chosen", "embedded_by", "name"),
    [
        ({}, "bundled", "all-MiniLM-L6-v2"),
        ({"embedding_model": "multilingual-e5-small"}, "bundled", "multilingual-e5-small"),
        (
            {"embedding_model": "multilingual-e5-small", "jina_api_key": "key"},
            "bundled",
            "multilingual-e5-small",
        ),
        ({"embedding_model": "all-MiniLM-L6-v2", "embedder": "bundled"}, "bundled", "all-MiniLM-L6-v2"),
        ({"jina_api_key": "key"}, "jina", "jina-embeddings-v3"),
    ],
)
def test_a_bundled_model_is_chosen_by_its_name(chosen: dict[str, str], embedded_by: str, name: str) -> None:
    settings = Settings(**chosen)

    assert (settings.embedded_by, settings.embedding_name) == (embedded_by, name)
    assert settings.embedder_of(name) == embedded_by
