"""Job records on Redis: the truth about every job that was accepted."""

from rag.stores.jobs.kept import DurableJobStore
from rag.stores.jobs.store import RedisJobStore

__all__ = ["DurableJobStore", "RedisJobStore"]
