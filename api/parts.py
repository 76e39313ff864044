"""What the routes work with, made once a process."""

import asyncio
import threading
from dataclasses import dataclass

from api.access import Keyring
from api.admission import Admission, RateLimit, Unlimited
from api.receiving import MIB, Receptions
from api.shares import Places
from rag.ports import BlobStore, Cache, DocumentRegistry, JobStore
from rag.settings import Settings
from rag.stores.backups.catalogue import Catalogue
from rag.stores.backups.standing import Standing
from rag.stores.backups.vault import Vault
from rag.stores.blobs import ObstoreBlobs
from rag.stores.cache import RedisCache
from rag.stores.changes import ChangeFeed
from rag.stores.condition import BrokerWatch
from rag.stores.heartbeats import Heartbeats
from rag.stores.jobs import KeptJobStore
from rag.stores.journal import Journal
from rag.stores.kept_documents import KeptDocumentRegistry
from rag.stores.redis import connect, connect_async
from rag.stores.usage import TokenUsage
from rag.tracing import watched
from tasks.submit import Submissions


@dataclass(frozen=True, slots=True)
class Parts:
    """``receptions``: bodies that are being received. ``uploads``: how many of those that came are taken in
    at once: half of what threads there are, so that documents leave some to everything else.

    ``waits``: long polls and event streams, which would otherwise take all connections.
    ``stopping`` is set when the server was told to stop: whoever waits for a job is to give up.
    """

    settings: Settings
    keyring: Keyring
    admission: Admission
    jobs: JobStore
    documents: DocumentRegistry
    blobs: BlobStore
    submissions: Submissions
    catalogue: Catalogue
    standing: Standing
    broker: BrokerWatch
    changes: ChangeFeed
    heartbeats: Heartbeats
    cache: Cache
    usage: TokenUsage
    receptions: Receptions
    uploads: asyncio.Semaphore
    waits: Places
    stopping: threading.Event


def build(settings: Settings) -> Parts:
    """The parts that ``settings`` choose. Nothing is sent to any of them yet."""
    client = connect(settings)
    blobs = watched(ObstoreBlobs.of(settings), settings.blob_address.partition(":")[0])
    journal = Journal(blobs)
    jobs = KeptJobStore(client, settings, journal)
    documents = KeptDocumentRegistry(client, journal)
    return Parts(
        settings=settings,
        keyring=Keyring(settings.api_keys),
        admission=_admission(settings),
        jobs=jobs,
        documents=documents,
        blobs=blobs,
        submissions=Submissions(settings, jobs, documents, blobs),
        catalogue=Catalogue(Vault.of(settings)),
        standing=Standing(client),
        broker=BrokerWatch(client, settings),
        changes=ChangeFeed(settings.records_url),
        heartbeats=Heartbeats(client),
        usage=TokenUsage(client),
        cache=RedisCache(client, settings),
        receptions=Receptions(places=settings.max_connections // 2, budget=settings.bodies_mb * MIB),
        uploads=asyncio.Semaphore(max(1, settings.max_concurrent_requests // 2)),
        waits=Places("long polls and event streams", settings.max_connections // 2),
        stopping=threading.Event(),
    )


def _admission(settings: Settings) -> Admission:
    if not settings.requests_per_minute:
        return Unlimited()
    client = connect_async(settings.records_url, connections=settings.connection_pool_size)
    return RateLimit(client, settings.requests_per_minute)
