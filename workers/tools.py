"""The composition root: here, and only here, settings choose the implementation of every role.

Model runtimes are imported inside the properties, so that a lane's worker loads only those
that its stages use.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from redis import Redis

from rag.backups.status import BackupStatus
from rag.backups.vault import Vault
from rag.blobs.store import ObstoreBlobs
from rag.jobs import DurableJobStore
from rag.journal.journal import Journal
from rag.model import Stage
from rag.parsing.wire import AnswerBounds, ChildRun
from rag.ports import (
    BlobStore,
    Cache,
    Chunker,
    DocumentRegistry,
    Embedder,
    Generator,
    JobStore,
    Parser,
    Reranker,
    Snapshots,
    VectorStore,
)
from rag.recovery.rebuild import DocumentRestoration, JobRestoration, Restoration
from rag.recovery.recovery import Recovery
from rag.redis.cache import RedisCache
from rag.redis.connection import connect
from rag.redis.schedule import Runs
from rag.registry.durable import DurableDocumentRegistry
from rag.registry.keys import KeyRestoration
from rag.settings import Settings
from rag.telemetry.measured import measured, measured_model
from rag.telemetry.tracing import record_parse, watched
from rag.vectors.edge.client import NoSnapshots, RemoteVectorStore
from tasks.toolbox import Drain, Pace, Toolbox

if TYPE_CHECKING:  # loads prometheus-client, which only a worker with METRICS_PORT needs
    from rag.telemetry.call_metrics import CallMetrics

T = TypeVar("T")

VECTOR_TIMEOUT = 30.0  # seconds; an upsert of one slice takes tens of milliseconds
VECTOR_PATIENCE = 20.0  # seconds; enough to restart an engine, or for a cluster to elect another node

_SERVERS = frozenset({"jina", "ollama", "openai"})
"""Models of these run on a server; all others run on this machine."""


class Tools(Toolbox):
    """Every role as the settings choose it, built when first used."""

    def __init__(
        self, settings: Settings, calls: "CallMetrics | None" = None, follow_ups: Iterable[Stage] = ()
    ) -> None:
        """``calls``: counts and times the parts' calls; None: nothing does. ``follow_ups``: of the worker."""
        self._settings = settings
        self._follow_ups = frozenset(follow_ups)
        self._calls = calls
        self._worker = settings.worker_id or uuid4().hex
        self._drain = Drain()
        self._pace = Pace()
        self._models: dict[tuple[str, int], Embedder] = {}
        self._embedders: dict[tuple[str, int, str], Embedder] = {}

    @property
    def worker(self) -> str:
        return self._worker

    @property
    def drain(self) -> Drain:
        return self._drain

    @property
    def pace(self) -> Pace:
        return self._pace

    @property
    def follow_ups(self) -> frozenset[Stage]:
        return self._follow_ups

    @property
    def settings(self) -> Settings:
        return self._settings

    @cached_property
    def _redis(self) -> Redis:
        """One bounded pool for all stores; redis-py opens new connections in a forked process."""
        return connect(self._settings)

    @cached_property
    def jobs(self) -> JobStore:
        return self._measured(DurableJobStore(self._redis, self._settings, self.journal), "redis")

    @cached_property
    def documents(self) -> DocumentRegistry:
        return self._measured(DurableDocumentRegistry(self._redis, self.journal), "redis")

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.blobs)

    @cached_property
    def restoration(self) -> Restoration:
        return Restoration(
            recovery=Recovery(self._redis),
            journal=self.journal,
            jobs=JobRestoration(self._redis, self._settings),
            documents=DocumentRestoration(self._redis, self._settings),
            keys=KeyRestoration(self._redis),
        )

    @cached_property
    def blobs(self) -> BlobStore:
        scheme = self._settings.blob_address.partition(":")[0]
        return self._measured(watched(ObstoreBlobs.of(self._settings), scheme), "blobs")

    @cached_property
    def cache(self) -> Cache:
        return self._measured(RedisCache(self._redis, self._settings), "redis")

    @cached_property
    def vectors(self) -> VectorStore:
        if self._settings.qdrant_url is None:
            socket = self._settings.vector_socket
            return self._measured(RemoteVectorStore(socket, VECTOR_TIMEOUT, VECTOR_PATIENCE), "qdrant")
        from rag.vectors.qdrant.nodes import nodes_of
        from rag.vectors.qdrant.store import QdrantVectorStore

        store = QdrantVectorStore(nodes_of(self._settings), self._settings, VECTOR_PATIENCE)
        return self._measured(watched(store, "qdrant"), "qdrant")

    @cached_property
    def snapshots(self) -> Snapshots:
        if self._settings.qdrant_url is None:
            return NoSnapshots()
        from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots

        return QdrantSnapshots(self._settings, self.vectors)

    @cached_property
    def vault(self) -> Vault:
        return Vault.of(self._settings)

    @cached_property
    def backup_status(self) -> BackupStatus:
        return BackupStatus(self._redis)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._redis)

    @cached_property
    def parser(self) -> Parser:
        from rag.parsing.parser import IsolatedParser
        from rag.parsing.small_texts import SmallTextParser

        isolated = IsolatedParser(self._settings, "workers.cutting", _record_child)
        if self._settings.parse_isolation == "strict":
            return isolated
        return SmallTextParser(isolated, lambda: self.chunker, AnswerBounds.of(self._settings))

    @cached_property
    def recogniser(self) -> Parser:
        from rag.parsing.parser import IsolatedParser
        from workers.recognition.files import is_installed

        if not is_installed():
            return self.parser
        return IsolatedParser(self._settings, "workers.recognition.child", _record_child, recognises=True)

    @cached_property
    def chunker(self) -> Chunker:
        from workers.cutting import chunker

        return chunker(self._settings.chunk_tokens)

    def embedder(self, model: str, dimension: int, *, fresh: bool = False, tenant: str = "") -> Embedder:
        if (model, dimension) not in self._models:
            from workers.embedding import embedder_for

            made = embedder_for(self._settings, model, dimension)
            system = self._settings.embedder_of(model) or ""
            self._models[model, dimension] = self._measured_model(watched(made, system), system, model)
        direct = self._models[model, dimension]
        if fresh:
            return direct
        from workers.embedding.cached import CachedEmbedder

        # one cached embedder for each tenant, so that jobs of one tenant share calls
        key = direct.name, direct.dimension, tenant
        if key not in self._embedders:
            self._embedders[key] = CachedEmbedder(direct, self.cache, tenant)
        return self._embedders[key]

    @cached_property
    def reranker(self) -> Reranker:
        from workers.reranking import reranker_for

        system = self._settings.reranked_by
        made = watched(reranker_for(self._settings), system)
        return self._measured_model(made, system, made.name)

    @cached_property
    def generator(self) -> Generator:
        from workers.generation import generator_for

        system = self._settings.answered_by
        made = watched(generator_for(self._settings), system)
        names = {"ollama": self._settings.ollama_model, "openai": self._settings.generator_model}
        return self._measured_model(made, system, names.get(system) or made.name)

    def _measured(self, part: T, dependency: str) -> T:
        return part if self._calls is None else measured(part, dependency, self._calls)

    def _measured_model(self, part: T, system: str, model: str) -> T:
        if self._calls is None:
            return part
        return measured_model(part, system if system in _SERVERS else None, model, self._calls)


def _record_child(run: ChildRun) -> None:
    record_parse(run.began, run.ended, run.cpu_seconds, run.peak_bytes)
