"""What tasks work with. ``workers.tools`` builds it; a lane's worker loads only what it uses.

How large batches are where keys share the workers, so that no key waits long for another's jobs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rag.backups.status import BackupStatus
from rag.backups.vault import Vault
from rag.model import Stage
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
from rag.recovery.rebuild import Restoration
from rag.redis.schedule import Runs
from rag.settings import Settings

LONGER = 1.5
"""A batch may take this many times as long as one job takes alone."""

_WEIGHT = 0.3  # of the last batch of one job in the moving average
_PATIENCE = 20  # batches until a size that took too long is tried again
_AFRESH = 50  # batches until the time of one job is measured again


@dataclass(slots=True)
class _Stage:
    alone: float | None = None
    jobs: int | None = None
    settled: int = 0
    batches: int = 0


@dataclass(slots=True)
class Pace:
    """How long batches of each stage took in this process.

    A job that arrives while others are worked waits for their end, and then for its own batch. Both times are
    bounded by what the job would take alone, so it is delayed by at most twice that. A remote model answers
    sixteen jobs as fast as one, so it keeps getting sixteen. A model on this machine takes longer for more
    jobs, so it gets fewer.
    """

    _stages: dict[Stage, _Stage] = field(default_factory=dict)

    def jobs(self, stage: Stage, most: int) -> int:
        """How many jobs to take together next, ``most`` at most."""
        known = self._of(stage)
        if known.jobs is None:
            return most
        return 1 if known.batches % _AFRESH == 0 else min(known.jobs, most)

    def note(self, stage: Stage, jobs: int, seconds: float, *, shared: bool) -> None:
        """Learn from a batch of ``jobs`` that took ``seconds``. ``shared``: whether any had an owner."""
        known = self._of(stage)
        if not shared:
            known.jobs = None
            return
        known.batches += 1
        if jobs == 1:
            before = seconds if known.alone is None else known.alone
            known.alone = (1 - _WEIGHT) * before + _WEIGHT * seconds
        if known.alone is None:
            known.jobs = 1  # measure one job first
        elif jobs > 1 and seconds > LONGER * known.alone:
            known.jobs, known.settled = max(1, int(jobs * LONGER * known.alone / seconds)), _PATIENCE
        elif known.settled:
            known.settled -= 1
        else:
            known.jobs = max(known.jobs or 1, 2 * jobs)

    def _of(self, stage: Stage) -> _Stage:
        return self._stages.setdefault(stage, _Stage())


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
    def follow_ups(self) -> frozenset[Stage]:
        """Stages of other lanes that this worker may go on with, because it has what their work uses."""
        ...

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
    def backup_status(self) -> BackupStatus: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def parser(self) -> Parser: ...
    @property
    def recogniser(self) -> Parser:
        """A parser that recognises pictures of text; ``parser`` where no recognition is installed."""
        ...

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
