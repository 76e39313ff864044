"""What tasks work with. ``workers.tools`` builds it; a lane's worker loads only what it uses."""

from typing import Protocol

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
from rag.settings import Settings
from rag.stores.backups.standing import Standing
from rag.stores.backups.vault import Vault
from rag.stores.restoration import Restoration
from rag.stores.runs import Runs
from tasks.drain import Drain
from tasks.pace import Pace


class Toolbox(Protocol):
    @property
    def worker(self) -> str:
        """Names the worker for as long as it lives, the children of its pool included."""
        ...

    @property
    def drain(self) -> Drain: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def jobs(self) -> JobStore: ...
    @property
    def documents(self) -> DocumentRegistry: ...
    @property
    def blobs(self) -> BlobStore: ...
    @property
    def cache(self) -> Cache: ...
    @property
    def vectors(self) -> VectorStore: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def parser(self) -> Parser: ...
    @property
    def chunker(self) -> Chunker: ...
    def embedder(self, model: str, dimension: int, *, fresh: bool = False, tenant: str = "") -> Embedder:
        """That of a collection's record, past the cache if ``fresh``. ``tenant``: who shares what is cached.

        ModelError when the settings give no access to the model.
        """
        ...

    @property
    def reranker(self) -> Reranker: ...
    @property
    def generator(self) -> Generator: ...
    @property
    def restoration(self) -> Restoration: ...
