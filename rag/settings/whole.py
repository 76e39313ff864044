"""The settings as a whole: what must fit together, and what follows from them."""

import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from rag.errors import ConfigurationError
from rag.folders import require_own
from rag.homes import Home, unnamed_home
from rag.naming import checked_collection_name
from rag.settings.backups import BackupSettings
from rag.settings.files import SecretFiles
from rag.settings.jobs import JobSettings
from rag.settings.library import LibrarySettings
from rag.settings.models import EmbedderName, GeneratorName, ModelSettings, RerankerName
from rag.settings.oidc import OidcSettings, unfit
from rag.settings.redis import RedisAddress, trusting
from rag.settings.roles import misfits
from rag.settings.service import ServiceSettings
from rag.timing import out_of_order

BUNDLED_EMBEDDING = "all-MiniLM-L6-v2"
BUNDLED_DIMENSION = 384
_JINA_URL = "https://api.jina.ai/v1"
_OLD_JAEGER_PORT, _OTLP_PORT = 14268, 4318
OLLAMA_PREFIX = "ollama:"
"""Begins the name of an embedding model that Ollama runs."""


class Settings(BackupSettings, ModelSettings, LibrarySettings, JobSettings, OidcSettings, ServiceSettings):
    """Every setting, frozen."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # of the sources it is given, one is of use
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given directly, else by the environment, or by a file that it names."""
        return init_settings, SecretFiles(settings_cls)

    @field_validator("collection_name")
    @classmethod
    def _collection_name(cls, value: str) -> str:
        return checked_collection_name(value)

    @field_validator("redis_url")
    @classmethod
    def _redis_form(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            RedisAddress.of(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        if wrong := tuple(misfits(self)):
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _defaults_may_be_asked_for(self) -> Self:
        for name, most in (("top_k_retrieval", self.max_top_k), ("top_k_rerank", self.max_top_n)):
            if getattr(self, name) > most:
                longest = "MAX_TOP_K" if name == "top_k_retrieval" else "MAX_TOP_N"
                raise ValueError(
                    f"{name.upper()} is over {longest}, {most}: lower the one or raise the other"
                )
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if wrong := tuple(out_of_order(self)):
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _issuer_fits(self) -> Self:
        if wrong := tuple(unfit(self)):
            raise ValueError("; ".join(wrong))
        return self

    # --- what follows from the fields

    @property
    def embedded_broker(self) -> bool:
        return self.redis_url is None

    @property
    def home(self) -> Path:
        return self.chosen_home.path

    @property
    def chosen_home(self) -> Home:
        """With why it is this one."""
        if self.aegis_home is None:
            return self._unnamed_home
        return Home(self.aegis_home.expanduser().resolve(), "AEGIS_HOME names it")

    @cached_property
    def _unnamed_home(self) -> Home:
        """Kept, since it hangs on what is there when it is looked for."""
        return unnamed_home()

    @property
    def listen_host(self) -> str:
        return self.api_host or ("127.0.0.1" if self.embedded_broker else "0.0.0.0")  # noqa: S104 - production default

    @property
    def anonymous(self) -> bool:
        """Whether the settings let the API do without keys, until one is made."""
        return not (self.api_keys or self.keys_required or self.oidc_issuer)

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
    def bodies_mb(self) -> int:
        """Of request bodies that one API process holds."""
        return self.max_bodies_mb or max(1024, 4 * (self.max_upload_mb + 1))

    @property
    def broker_socket(self) -> Path:
        """Unix socket of the bundled broker."""
        return self.run_dir / "broker.sock"

    @property
    def records_url(self) -> str:
        """The Redis server, in a form of REDIS_URL."""
        if self.redis_url is None:
            return f"unix://{quote(str(self.broker_socket))}"
        url = self.redis_url.get_secret_value()
        return trusting(url, self.redis_ca_file) if self.redis_ca_file else url

    @property
    def redis_address(self) -> RedisAddress:
        return RedisAddress.of(self.records_url)

    @property
    def vector_socket(self) -> Path:
        """Unix socket of the embedded vector engine."""
        return self.run_dir / "vectors.sock"

    @property
    def blob_address(self) -> str:
        return self.blob_url or (self.home / "blobs").as_uri()

    @property
    def backup_address(self) -> str:
        return self.backup_url or (self.home / "backups").as_uri()

    @property
    def journal_scope(self) -> Literal["all", "documents"]:
        return self.journal or ("all" if self.blob_address.startswith("file:") else "documents")

    @cached_property
    def run_dir(self) -> Path:
        """Sockets and pid files. Unix socket paths end at 104 bytes, so a deep home gets a short folder.

        ConfigurationError where another user was there first: anybody may make folders in a temporary one.
        """
        inside = self.home / "run"
        if len(bytes(inside)) <= 80:
            return inside
        digest = sha256(bytes(self.home)).hexdigest()[:16]
        short = Path(gettempdir()) / f"aegis-{os.getuid()}-{digest}"
        if os.path.lexists(short):
            require_own(short)
        return short

    @property
    def log_format(self) -> str:
        """Of a log line, for ``logging``; with DEBUG also which process, thread and line of code wrote it."""
        place = "%(process)d %(threadName)s %(name)s:%(lineno)d" if self.debug else "%(name)s"
        return f"%(asctime)s %(levelname)s {place} %(message)s"

    @property
    def traces_url(self) -> str | None:
        """Where spans go by OTLP over HTTP; None: nowhere.

        Jaeger's own protocol on 14268 is gone; the same host takes OTLP on 4318.
        """
        if not (self.tracing_enabled and self.jaeger_endpoint):
            return None
        parts = urlsplit(self.jaeger_endpoint)
        if parts.port == _OLD_JAEGER_PORT:
            parts = parts._replace(netloc=_with_port(parts.netloc, _OTLP_PORT), path="")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1/traces"))

    @property
    def embedded_by(self) -> EmbedderName:
        return self.embedder or ("jina" if self._knows_jina else "bundled")

    @property
    def reranked_by(self) -> RerankerName:
        return self.reranker or ("jina" if self._knows_jina else "bundled")

    @property
    def _knows_jina(self) -> bool:
        return bool(self.jina_api_key or self.jina_base_url)

    @property
    def jina_url(self) -> str:
        """Base of the schema's calls, without a slash at the end."""
        return (self.jina_base_url or _JINA_URL).rstrip("/")

    @property
    def embedding_name(self) -> str:
        """The model that new collections are made for; :meth:`embedder_of` is its inverse."""
        if self.embedded_by == "bundled":
            return BUNDLED_EMBEDDING
        return f"{OLLAMA_PREFIX if self.embedded_by == 'ollama' else ''}{self.embedding_model}"

    @property
    def dimension(self) -> int:
        """Of its vectors."""
        return BUNDLED_DIMENSION if self.embedded_by == "bundled" else self.vector_size

    def embedder_of(self, model: str) -> EmbedderName | None:
        """Who can embed by the model of this name, as a collection's record has it; None: nobody here."""
        if model == BUNDLED_EMBEDDING:
            return "bundled"
        if model.startswith(OLLAMA_PREFIX):
            return "ollama" if self.ollama_url else None
        return "jina" if self._knows_jina else None

    @property
    def ollama_replicas(self) -> tuple[str, ...]:
        """Base URLs without a slash at the end; () without Ollama."""
        return _several(self.ollama_url)

    @property
    def qdrant_addresses(self) -> tuple[str, ...]:
        """Of the nodes, without a slash at the end; () with the embedded engine."""
        return _several(self.qdrant_url)

    @property
    def answered_by(self) -> GeneratorName:
        if self.generator:
            return self.generator
        if self.ollama_url:
            return "ollama"
        return "openai" if self.generator_url else "extractive"


def _several(urls: str | None) -> tuple[str, ...]:
    """Addresses with commas between, each once."""
    stripped = (url.strip().rstrip("/") for url in (urls or "").split(","))
    return tuple(dict.fromkeys(url for url in stripped if url))


def _with_port(netloc: str, port: int) -> str:
    return f"{netloc.rpartition(':')[0]}:{port}"


def load() -> Settings:
    """The settings from the environment. ConfigurationError with one line for each wrong value.

    Without its cause: what a traceback shows of that has the value in it, which may be a key.
    """
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise ConfigurationError(_explained(error)) from None


def _place(loc: tuple[int | str, ...]) -> str:
    """The variable, and where in it; what is wrong with a key may not name it."""
    if not loc:
        return "settings"
    field, *inner = (str(part).upper() for part in loc)
    if field == "API_KEYS" and inner:
        inner[0] = "…"
    return ".".join([field, *inner])


def _explained(error: ValidationError | SettingsError) -> str:
    if isinstance(error.__cause__, ConfigurationError):
        return str(error.__cause__)
    if isinstance(error, SettingsError):
        return f"{error}: {error.__cause__}"
    lines = (
        f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors(include_url=False, include_input=False)
        if e["type"] != "default_factory_not_called"  # it follows from another one
    )
    return "; ".join(lines)
