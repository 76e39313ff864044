"""The fields of all settings in one class, and the values that follow from them."""

import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from rag.settings.backups import BackupSettings
from rag.settings.jobs import JobSettings
from rag.settings.library import LibrarySettings
from rag.settings.models import EmbedderName, GeneratorName, ModelSettings, RerankerName
from rag.settings.oidc import OidcSettings
from rag.settings.redis_url import RedisAddress, trusting
from rag.settings.service import ServiceSettings
from rag.settings.texts import NEVER
from rag.system.folders import expanded, require_own
from rag.system.homes import Home, unnamed_home

BUNDLED_EMBEDDING = "all-MiniLM-L6-v2"
MULTILINGUAL_EMBEDDING = "multilingual-e5-small"
BUNDLED_EMBEDDINGS = (BUNDLED_EMBEDDING, MULTILINGUAL_EMBEDDING)
BUNDLED_DIMENSION = 384
_JINA_URL = "https://api.jina.ai/v1"
_OLD_JAEGER_PORT, _OTLP_PORT = 14268, 4318
_READS_PER_SUBMIT = 20
_FULL_BACKUPS = "52 1 * * *"
OLLAMA_PREFIX = "ollama:"
"""Begins the name of an embedding model that Ollama runs."""


class DerivedSettings(
    BackupSettings, ModelSettings, LibrarySettings, JobSettings, OidcSettings, ServiceSettings
):
    """All fields, with the values that follow from several of them."""

    @property
    def embedded_broker(self) -> bool:
        return self.redis_url is None

    @property
    def home(self) -> Path:
        return self.chosen_home.path

    @property
    def chosen_home(self) -> Home:
        """The home folder, and the reason for it."""
        if self.aegis_home is None:
            return self._unnamed_home
        return Home(expanded(self.aegis_home, "AEGIS_HOME: ").resolve(), "AEGIS_HOME names it")

    @cached_property
    def _unnamed_home(self) -> Home:
        return unnamed_home()  # cached, since its result depends on which folders exist at the time

    @property
    def listen_host(self) -> str:
        return self.api_host or ("127.0.0.1" if self.embedded_broker else "0.0.0.0")  # noqa: S104 - production default

    @property
    def flower_prefix(self) -> str:
        """What Flower's paths begin with: "" or such as ``/flower``."""
        path = self.flower_url_prefix.strip("/")
        return f"/{path}" if path else ""

    @property
    def flower_closed(self) -> bool:
        """Whether Flower asks who comes: for a password, or by OAuth."""
        return bool(self.flower_basic_auth or self.flower_auth)

    @property
    def anonymous(self) -> bool:
        """Whether the settings let the API run without keys, until one is made."""
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
    def reads_per_minute(self) -> int:
        """0: no limit."""
        if self.rate_limit_reads_per_minute is not None:
            return self.rate_limit_reads_per_minute
        return _READS_PER_SUBMIT * self.requests_per_minute

    @property
    def bodies_mb(self) -> int:
        """MB of request bodies that one API process may hold."""
        return self.max_bodies_mb or max(1024, 4 * (self.max_upload_mb + 1))

    @property
    def broker_socket(self) -> Path:
        """The Unix socket of the embedded broker."""
        return self.run_dir / "broker.sock"

    @property
    def records_url(self) -> str:
        """The address of the Redis server, in one of REDIS_URL's forms."""
        if self.redis_url is None:
            password = self.broker_password
            login = f":{quote(password.get_secret_value(), safe='')}@" if password else ""
            return f"unix://{login}{quote(str(self.broker_socket))}"
        url = self.redis_url.get_secret_value()
        return trusting(url, self.redis_ca_file) if self.redis_ca_file else url

    @property
    def redis_address(self) -> RedisAddress:
        return RedisAddress.of(self.records_url)

    @property
    def vector_socket(self) -> Path:
        """The Unix socket of the embedded vector engine."""
        return self.run_dir / "vectors.sock"

    @property
    def blob_address(self) -> str:
        return self.blob_url or (self.home / "blobs").as_uri()

    @property
    def backup_address(self) -> str:
        return self.backup_url or (self.home / "backups").as_uri()

    @property
    def full_backup_schedule(self) -> str:
        """When full backups are made besides the others."""
        if self.backup_full_schedule is not None:
            return self.backup_full_schedule
        return _FULL_BACKUPS if self.qdrant_url else NEVER

    @property
    def journal_scope(self) -> Literal["all", "documents"]:
        return self.journal or ("all" if self.blob_address.startswith("file:") else "documents")

    @cached_property
    def run_dir(self) -> Path:
        """The folder of sockets and pid files: in the home folder, else a short one in the temporary folder.

        A Unix socket's path has at most 104 bytes. ConfigurationError when another user owns the short
        folder: anybody may make one in the temporary folder.
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
    def traces_url(self) -> str | None:
        """Where spans are sent by OTLP over HTTP; None: nowhere.

        Jaeger has removed its own protocol on port 14268; the same host takes OTLP on 4318.
        """
        if not (self.tracing_enabled and self.jaeger_endpoint):
            return None
        parts = urlsplit(self.jaeger_endpoint)
        if parts.port == _OLD_JAEGER_PORT:
            parts = parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{_OTLP_PORT}", path="")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1/traces"))

    @property
    def embedded_by(self) -> EmbedderName:
        """A bundled model's name chooses it, whatever other settings are there."""
        if self.embedder is not None:
            return self.embedder
        chosen = self.embedding_model in BUNDLED_EMBEDDINGS
        return "jina" if self._knows_jina and not chosen else "bundled"

    @property
    def reranked_by(self) -> RerankerName:
        return self.reranker or ("jina" if self._knows_jina else "bundled")

    @property
    def _knows_jina(self) -> bool:
        return bool(self.jina_api_key or self.jina_base_url)

    @property
    def jina_url(self) -> str:
        """The base URL of Jina's schema, without a slash at the end."""
        return (self.jina_base_url or _JINA_URL).rstrip("/")

    @property
    def embedding_name(self) -> str:
        """The model that new collections are embedded with; :meth:`embedder_of` is the inverse."""
        if self.embedded_by == "bundled":
            chosen = self.embedding_model in BUNDLED_EMBEDDINGS
            return self.embedding_model if chosen else BUNDLED_EMBEDDING
        return f"{OLLAMA_PREFIX if self.embedded_by == 'ollama' else ''}{self.embedding_model}"

    @property
    def dimension(self) -> int:
        """The dimension of the vectors of new collections."""
        return BUNDLED_DIMENSION if self.embedded_by == "bundled" else self.vector_size

    def embedder_of(self, model: str) -> EmbedderName | None:
        """The embedder that serves the model of this name, as in a collection's record; None: none here."""
        if model in BUNDLED_EMBEDDINGS:
            return "bundled"
        if model.startswith(OLLAMA_PREFIX):
            return "ollama" if self.ollama_url else None
        return "jina" if self._knows_jina else None

    @property
    def ollama_replicas(self) -> tuple[str, ...]:
        """Base URLs without a slash at the end; () without Ollama."""
        return _split_urls(self.ollama_url)

    @property
    def qdrant_addresses(self) -> tuple[str, ...]:
        """The nodes' URLs without a slash at the end; () with the embedded engine."""
        return _split_urls(self.qdrant_url)

    @property
    def answered_by(self) -> GeneratorName:
        if self.generator:
            return self.generator
        if self.ollama_url:
            return "ollama"
        return "openai" if self.generator_url else "extractive"


def _split_urls(urls: str | None) -> tuple[str, ...]:
    """Each of the URLs with commas between, once."""
    stripped = (url.strip().rstrip("/") for url in (urls or "").split(","))
    return tuple(dict.fromkeys(url for url in stripped if url))
