"""All configuration. Nothing outside this module reads the environment.

Every field is an environment variable of the same name in upper case; its description
is what ``docs/reference/settings.md`` shows (``python -m rag.settings`` prints that page).
A role whose address is unset runs on its embedded part, and defaults that only suit
production apply only then: see ``docs/decisions/0003-two-profiles.md``.
"""

import os
import re
import sys
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from rag.errors import ConfigurationError
from rag.naming import checked_collection_name
from rag.timing import out_of_order


class Role(StrEnum):
    """What a key may do: ``read`` asks and lists, ``write`` ingests and deletes, ``admin`` all."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(BaseModel):
    """The value of one entry of ``API_KEYS``."""

    name: str = Field(min_length=1)
    role: Role = Role.READ
    collections: tuple[str, ...] = ("*",)


GeneratorName = Literal["extractive", "smollm2", "ollama", "openai"]


_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # --- general
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="Least severe log lines that are written."
    )
    environment: str = Field(
        "production", description="Name of this installation, shown in /health and logs."
    )
    debug: bool = Field(False, description="More detail in log lines. Never in answers.")
    aegis_home: Path = Field(Path(".aegis"), description="Folder of everything that a run writes.")
    model_dir: Path = Field(
        Path(sys.prefix) / "share" / "aegis-rag",
        description="Folder of the bundled models, built once by `aegis setup`.",
    )

    # --- API
    api_host: str = Field(
        "", description="Address the API listens on; 0.0.0.0, or 127.0.0.1 with the embedded broker."
    )
    api_port: int = Field(8910, ge=1, le=65535, description="Port of the API.")
    api_workers: int = Field(0, ge=0, le=64, description="API processes; 4, or 1 with the embedded broker.")
    api_timeout: float = Field(
        300, gt=0, description="Seconds a job may take from its submit on (its deadline) for queries."
    )
    api_keys: dict[str, ApiKey] = Field(
        default_factory=dict,
        description='Keys and what they may do, as JSON {"KEY": {"name": "ci", "role": "read|write|admin", "collections": ["*"]}}. Empty: no key is asked for.',
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins that browsers may call from, as a JSON list."
    )
    rate_limit_requests_per_minute: int | None = Field(
        None,
        ge=0,
        description="Requests a minute for each key, or each address without keys; 0: no limit. 100, or none with the embedded broker.",
    )
    max_concurrent_requests: int = Field(
        50, ge=1, description="Requests that one API process works on at once; more wait."
    )
    max_upload_mb: int = Field(50, ge=1, description="Largest document in MB; a larger one gets 413.")

    # --- Redis
    redis_url: SecretStr | None = Field(
        None,
        description="Broker and job records, redis://, rediss:// or unix://. Unset: the bundled broker in AEGIS_HOME.",
    )
    connection_pool_size: int = Field(20, ge=2, description="Redis connections a process at most.")
    broker_memory_mb: int = Field(
        1024,
        ge=16,
        description="MB that the bundled broker may hold. From 80 % of it on, or of the maxmemory of REDIS_URL's server, new jobs get 429.",
    )
    broker_may_forget: bool = Field(
        False,
        description="Whether a Redis without append-only file will do: after a restart of it, the jobs that JOURNAL names are rebuilt from BLOB_URL.",
    )
    job_retention_hours: float = Field(
        72, gt=0, description="Hours after which the record of a job that has ended is forgotten."
    )
    dead_letter_days: float = Field(
        30, gt=0, description="Days that a dead job is kept with its inputs, for a replay."
    )
    max_ended_jobs: int = Field(
        50_000,
        ge=0,
        description="Records of ended jobs that are kept at most, and as many of dead ones; the oldest go first.",
    )
    idempotency_hours: float = Field(24, gt=0, description="Hours an Idempotency-Key is remembered.")

    # --- queues
    max_attempts: int = Field(
        3, ge=1, description="Deliveries of one stage of one job before the job is given up."
    )
    max_retries_per_job: int = Field(
        6, ge=0, description="Attempts beyond the first that all stages of one job may take together."
    )
    max_open_ingests: int = Field(
        10_000, ge=1, description="Ingestions that may be queued or running; more get 429."
    )
    max_open_queries: int = Field(
        1_000, ge=1, description="Questions that may be queued or running; more get 429."
    )
    stage_timeout: float = Field(900, gt=0, description="Seconds after which a stage is ended from outside.")
    interactive_timeout: float = Field(
        60,
        gt=0,
        description="Seconds that embedding a question, or searching and reranking, may take before the worker counts as hung.",
    )
    silence_seconds: float = Field(
        30,
        ge=10,
        description="Seconds without a task taken from its queue after which an idle worker counts as hung.",
    )
    drain_seconds: float = Field(
        10,
        ge=0,
        description="Seconds that a worker told to stop goes on with its stage before that goes back into the queue. An orchestrator's grace period should be 10 s longer.",
    )
    lease_seconds: float = Field(
        30, gt=1, description="Seconds without a sign of life after which a running stage is taken for dead."
    )
    visibility_timeout: float = Field(
        default_factory=lambda known: known["stage_timeout"] + 120,
        gt=0,
        description="Seconds after which the queue delivers a task again that nobody has acknowledged. Unset: STAGE_TIMEOUT + 120.",
    )
    stale_lease_seconds: float = Field(
        default_factory=lambda known: known["visibility_timeout"] + 180,
        gt=0,
        description="Seconds after which a stage is taken from a worker that still shows signs of life. Unset: VISIBILITY_TIMEOUT + 180.",
    )
    worker_memory_mb: int = Field(
        4096,
        ge=0,
        description="MB of memory that one worker process may take, on Linux; a stage that wants more fails. 0: no limit.",
    )

    # --- documents
    collection_name: str = Field("aegis_docs_v2", description="Collection of calls that name none.")
    parse_timeout: float = Field(120, gt=0, description="Seconds that parsing one file may take.")
    parse_memory_mb: int = Field(1536, ge=256, description="MB of memory that parsing one file may take.")
    max_text_mb: int = Field(32, ge=1, description="MB of text that one document may hold after parsing.")
    chunk_tokens: int = Field(200, ge=32, description="Largest passage, in tokens of the embedding model.")
    fetch_private_addresses: bool = Field(
        False, description="Whether documents given by url may come from private or loopback addresses."
    )

    # --- retrieval
    top_k_retrieval: int = Field(
        10, ge=1, le=1000, description="Passages retrieved for a query that names no top_k."
    )
    top_k_rerank: int = Field(
        3, ge=1, le=1000, description="Passages kept after reranking for a query that names no top_n."
    )
    qdrant_url: str | None = Field(
        None, description="Reserved for a Qdrant server; this version refuses to start with it."
    )

    # --- models
    jina_api_key: SecretStr | None = Field(
        None, description="Reserved for the Jina API; this version refuses to start with it."
    )
    generator: GeneratorName | None = Field(
        None,
        description="extractive, smollm2, ollama or openai. Unset: ollama with OLLAMA_URL, openai with GENERATOR_URL, else extractive.",
    )
    generator_url: str | None = Field(
        None,
        description="Base URL of an OpenAI-compatible server, such as https://host/v1, for GENERATOR=openai.",
    )
    generator_model: str | None = Field(
        None, description="Model that GENERATOR_URL answers with. Unset: the only one that the server lists."
    )
    generator_api_key: SecretStr | None = Field(None, description="Key of the server at GENERATOR_URL.")
    generator_max_tokens: int = Field(
        512, ge=16, description="Tokens that a generative model may write for one answer, thoughts included."
    )
    generator_context_tokens: int = Field(
        3000, ge=200, description="Tokens of passages that a generative model is shown, about."
    )
    generator_timeout: float = Field(
        120, gt=0, description="Seconds that a generative model may take for one answer."
    )
    smollm2_port: int = Field(
        8911, ge=1, le=65535, description="Local port of the SmolLM2 server, for GENERATOR=smollm2."
    )
    ollama_url: str | None = Field(None, description="Ollama server. Unset: no Ollama.")
    ollama_model: str = Field("deepseek-r1:7b", description="Model that Ollama answers with.")

    # --- blobs
    blob_url: str | None = Field(
        None, description="file:///…, s3://bucket/prefix, az:// or gs://. Unset: a folder in AEGIS_HOME."
    )
    journal: Literal["all", "documents"] | None = Field(
        None,
        description="Whose jobs are kept at BLOB_URL too, so that they outlive the broker's data: all, or those about documents alone. Unset: all with a folder, documents with object storage, which would add tens of ms to a question.",
    )

    # --- the command line
    api_key: SecretStr | None = Field(None, description="Key that the command line sends to the API.")

    # --- to look at
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    flower_basic_auth: SecretStr | None = Field(None, description="user:password that Flower asks for.")
    prometheus_metrics_enabled: bool = Field(True, description="Whether /metrics answers.")

    @field_validator("collection_name")
    @classmethod
    def _collection_name(cls, value: str) -> str:
        return checked_collection_name(value)

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_REDIS_SCHEMES):
            raise ValueError(f"must begin with one of {', '.join(_REDIS_SCHEMES)}")
        return value

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        for name in ("qdrant_url", "jina_api_key"):
            if getattr(self, name):
                raise ValueError(
                    f"{name.upper()} is set, but this version knows only the embedded part: unset it"
                )
        if self.generator == "openai" and not self.generator_url:
            raise ValueError("GENERATOR=openai needs GENERATOR_URL, the base URL of the server")
        if self.generator == "ollama" and not self.ollama_url:
            raise ValueError("GENERATOR=ollama needs OLLAMA_URL")
        if self.top_k_rerank > self.top_k_retrieval:
            raise ValueError("TOP_K_RERANK is over TOP_K_RETRIEVAL: fewer are retrieved than shall be kept")
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if wrong := tuple(out_of_order(self)):
            raise ValueError("; ".join(wrong))
        return self

    # --- what follows from the fields

    @property
    def embedded_broker(self) -> bool:
        return self.redis_url is None

    @property
    def home(self) -> Path:
        return self.aegis_home.expanduser().resolve()

    @property
    def listen_host(self) -> str:
        return self.api_host or ("127.0.0.1" if self.embedded_broker else "0.0.0.0")  # noqa: S104 - production default

    @property
    def api_processes(self) -> int:
        return self.api_workers or (1 if self.embedded_broker else 4)

    @property
    def requests_per_minute(self) -> int:
        """0: no limit."""
        if self.rate_limit_requests_per_minute is not None:
            return self.rate_limit_requests_per_minute
        return 0 if self.embedded_broker else 100

    @property
    def broker_socket(self) -> Path:
        """Unix socket of the bundled broker."""
        return self.run_dir / "broker.sock"

    @property
    def broker_url(self) -> str:
        """Where Celery finds the broker."""
        return re.sub(r"\Aunix://", "redis+socket://", self.records_url)

    @property
    def records_url(self) -> str:
        """The Redis server, in redis-py's spelling."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        return f"unix://{quote(str(self.broker_socket))}"

    @property
    def vector_socket(self) -> Path:
        """Unix socket of the embedded vector engine."""
        return self.run_dir / "vectors.sock"

    @property
    def blob_address(self) -> str:
        return self.blob_url or (self.home / "blobs").as_uri()

    @property
    def journal_scope(self) -> Literal["all", "documents"]:
        return self.journal or ("all" if self.blob_address.startswith("file:") else "documents")

    @cached_property
    def run_dir(self) -> Path:
        """Sockets and pid files. Unix socket paths end at 104 bytes, so a deep home gets a short folder."""
        inside = self.home / "run"
        if len(bytes(inside)) <= 80:
            return inside
        digest = sha256(bytes(self.home)).hexdigest()[:16]
        return Path(gettempdir()) / f"aegis-{os.getuid()}-{digest}"

    @property
    def embedding_name(self) -> str:
        """The model that new collections are made for."""
        return "all-MiniLM-L6-v2"

    @property
    def dimension(self) -> int:
        """Of its vectors."""
        return 384

    @property
    def answered_by(self) -> GeneratorName:
        if self.generator:
            return self.generator
        if self.ollama_url:
            return "ollama"
        return "openai" if self.generator_url else "extractive"


def load() -> Settings:
    """The settings from the environment. ConfigurationError with one line for each wrong value."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise ConfigurationError(_explained(error)) from error


def _explained(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"{error}: {error.__cause__}"
    lines = (
        f"{'.'.join(map(str, e['loc'])).upper() or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors(include_url=False, include_input=False)
        if e["type"] != "default_factory_not_called"  # it follows from another one
    )
    return "; ".join(lines)


def reference_page() -> str:
    """``docs/reference/settings.md``, made from the fields."""
    rows = "\n".join(
        f"| `{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    head = (
        "# Settings\n\nAll come from the environment.\n\n| variable | default | what it does |\n|---|---|---|"
    )
    return f"{head}\n{rows}\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default in (None, (), ""):
        return ""
    if isinstance(field.default, Path) and field.default.is_absolute():
        return "in the virtual environment"
    return f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
