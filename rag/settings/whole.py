"""The settings as a whole: what must fit together, and what follows from them."""

import os
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rag.folders import expanded, require_own
from rag.homes import Home, unnamed_home
from rag.naming import checked_collection_name
from rag.settings.backups import BackupSettings
from rag.settings.jobs import JobSettings
from rag.settings.library import LibrarySettings
from rag.settings.models import EmbedderName, GeneratorName, ModelSettings, RerankerName
from rag.settings.oidc import OidcSettings, unfit
from rag.settings.redis import RedisAddress, trusting
from rag.settings.roles import misfits
from rag.settings.service import ServiceSettings
from rag.settings.sources import Given, GivenValues, Reading, read
from rag.settings.texts import value_of
from rag.timing import out_of_order

BUNDLED_EMBEDDING = "all-MiniLM-L6-v2"
BUNDLED_DIMENSION = 384
_JINA_URL = "https://api.jina.ai/v1"
_OLD_JAEGER_PORT, _OTLP_PORT = 14268, 4318
_READS_PER_SUBMIT = 20
OLLAMA_PREFIX = "ollama:"
"""Begins the name of an embedding model that Ollama runs."""


class Settings(BackupSettings, ModelSettings, LibrarySettings, JobSettings, OidcSettings, ServiceSettings):
    """Every setting, frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    _given: Mapping[str, Given] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # of the sources it is given, one is of use
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given directly, else by the environment, or by a file."""
        reading = read(settings_cls)
        reading.require_readable()
        return init_settings, GivenValues(settings_cls, reading.values)

    @classmethod
    def of(cls, reading: Reading, without: Set[str] = frozenset()) -> Self:
        """What was read, but for the fields in ``without``. Raises pydantic's ValidationError."""
        values = {name: value for name, value in reading.values.items() if name not in without}
        settings = cls(_build_sources=((GivenValues(cls, values),), {}))
        settings._given = reading.given
        return settings

    @property
    def given(self) -> Mapping[str, Given]:
        """Where the values come from, by fields, of those that were read and are no defaults."""
        return self._given

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, value: object, info: ValidationInfo) -> object:
        name = str(info.field_name)
        return value_of(name, cls.model_fields[name], value) if isinstance(value, str) else value

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
    def _all_fit(self) -> Self:
        """ValueError with a line for each misfit."""
        if wrong := [*misfits(self), *self._too_many(), *out_of_order(self), *unfit(self)]:
            raise ValueError("\n".join(wrong))
        return self

    def _too_many(self) -> Iterator[str]:
        """Defaults may be asked for."""
        for name, longest in (("top_k_retrieval", "max_top_k"), ("top_k_rerank", "max_top_n")):
            value, most = getattr(self, name), getattr(self, longest)
            if value > most:
                yield f"{name.upper()} ({value}) is over {longest.upper()} ({most}): lower the one or raise the other"

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
        return Home(expanded(self.aegis_home, "AEGIS_HOME: ").resolve(), "AEGIS_HOME names it")

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
    def questions_logged(self) -> bool:
        """Whether logs may have the words of questions, which are their askers'."""
        return self.embedded_broker and self.anonymous if self.log_questions is None else self.log_questions

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
    def reads_per_minute(self) -> int:
        """0: no limit."""
        if self.rate_limit_reads_per_minute is not None:
            return self.rate_limit_reads_per_minute
        return _READS_PER_SUBMIT * self.requests_per_minute

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
