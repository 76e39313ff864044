"""Job records on Redis: the truth about every job that was accepted."""

from rag.jobs.batches import DurableBatchStore
from rag.jobs.durable import DurableJobStore
from rag.jobs.store import RedisJobStore

__all__ = ["DurableBatchStore", "DurableJobStore", "RedisJobStore"]
