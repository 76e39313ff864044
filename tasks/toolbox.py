"""What tasks work with. ``workers.tools`` builds it; a lane's worker loads only what it uses."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from tasks.pace import Pace


class Drained(BaseException):
    """The worker ends, so the stage is interrupted and given back; that does not count as an attempt.

    It is no Exception, so that no work takes it for a failure of its own.
    """


class Drain:
    """Whether a process is to end. The worker asks by a signal, which Python handles in its main thread."""

    def __init__(self) -> None:
        self._asked = False
        self._interruptible = False

    @property
    def asked(self) -> bool:
        """Whether nothing more may be begun."""
        return self._asked

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raise Drained inside the block as soon as the worker has asked."""
        self._interruptible = True
        try:
            if self._asked:
                raise Drained
            yield
        finally:
            self._interruptible = False

    def ask(self, *_: object) -> None:
        """A signal handler."""
        self._asked = True
        if self._interruptible:
            raise Drained


class Toolbox(Protocol):
    @property
    def worker(self) -> str:
        """The worker's name for as long as it lives; the children of its pool have the same."""
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
        """The embedder for a collection's ``model`` and ``dimension``. ``fresh``: it uses no cache.

        ``tenant``: names who shares the cache's entries. Raises ModelError when the settings give no access
        to the model.
        """
        ...

    @property
    def reranker(self) -> Reranker: ...
    @property
    def generator(self) -> Generator: ...
    @property
    def restoration(self) -> Restoration: ...
