"""What the routes work with, made once a process."""

import threading
from dataclasses import dataclass

from redis.asyncio import Redis as AsyncRedis

from api.access import Issuer, Keyring
from api.admission import Admission, RateLimit, Unlimited
from api.receiving import MIB, Receptions
from api.shares import Places, Turns
from rag.ports import BlobStore, Cache, DocumentRegistry, JobStore
from rag.retention import Retention
from rag.settings import Settings
from rag.stores.audit import AuditReader, AuditWriter
from rag.stores.backups.catalogue import Catalogue
from rag.stores.backups.standing import Standing
from rag.stores.backups.vault import Vault
from rag.stores.blobs import ObstoreBlobs
from rag.stores.cache import RedisCache
from rag.stores.changes import ChangeFeed
from rag.stores.condition import BrokerWatch
from rag.stores.heartbeats import Heartbeats
from rag.stores.jobs import DurableJobStore
from rag.stores.journal import Journal
from rag.stores.kept_documents import KeptDocumentRegistry
from rag.stores.keys import KeyFinder, KeyRegistry
from rag.stores.redis import connect, connect_async
from rag.stores.reserve import Disks
from rag.stores.usage import TokenUsage
from rag.tracing import watched
from tasks.submit import Publisher, Submissions


@dataclass(frozen=True, slots=True)
class Parts:
    """``receptions``: bodies that are being received. ``uploads``: how many of those that came are taken in
    at once: half of what threads there are, so that documents leave some to everything else. ``turns``:
    everything else that takes a thread. Of either, no caller has more than an eighth of the threads.

    ``admission`` counts requests that submit or change something, ``reads`` those that look, ``wrong_keys``
    those with a key that is none, of each address.
    ``waits``: long polls and event streams, which would otherwise take all connections.
    ``stopping`` is set when the server was told to stop: whoever waits for a job is to give up.
    """

    settings: Settings
    keyring: Keyring
    keys: KeyRegistry
    audit: AuditReader
    audit_writer: AuditWriter
    admission: Admission
    reads: Admission
    wrong_keys: Admission
    jobs: JobStore
    documents: DocumentRegistry
    blobs: BlobStore
    submissions: Submissions
    publisher: Publisher
    catalogue: Catalogue
    standing: Standing
    broker: BrokerWatch
    disks: Disks
    changes: ChangeFeed
    heartbeats: Heartbeats
    cache: Cache
    usage: TokenUsage
    receptions: Receptions
    uploads: Turns
    turns: Turns
    waits: Places
    stopping: threading.Event


def build(settings: Settings) -> Parts:
    """The parts that ``settings`` choose. Nothing is sent to any of them yet."""
    client = connect(settings)
    at_once = connect_async(settings.records_url, connections=settings.connection_pool_size)
    blobs = watched(ObstoreBlobs.of(settings), settings.blob_address.partition(":")[0])
    journal = Journal(blobs)
    jobs = DurableJobStore(client, settings, journal)
    documents = KeptDocumentRegistry(client, journal)
    publisher = Publisher(settings)
    threads = settings.max_concurrent_requests
    return Parts(
        settings=settings,
        keyring=_keyring(at_once, journal, settings),
        keys=KeyRegistry(client, journal, Retention.of(settings).seconds),
        audit=AuditReader(client),
        audit_writer=AuditWriter(at_once, settings.audit_entries),
        admission=_admission(at_once, settings.requests_per_minute),
        reads=_admission(at_once, settings.reads_per_minute, "reads"),
        wrong_keys=_admission(at_once, settings.wrong_keys_per_minute, "wrong keys"),
        jobs=jobs,
        documents=documents,
        blobs=blobs,
        submissions=Submissions(settings, jobs, documents, blobs, publisher.send),
        publisher=publisher,
        catalogue=Catalogue(Vault.of(settings)),
        standing=Standing(client),
        broker=BrokerWatch(client, settings),
        disks=Disks.of(settings),
        changes=ChangeFeed(settings.records_url),
        heartbeats=Heartbeats(client),
        usage=TokenUsage(client),
        cache=RedisCache(client, settings),
        receptions=Receptions(places=settings.max_connections // 2, budget=settings.bodies_mb * MIB),
        uploads=Turns(max(1, threads // 2), own=max(1, threads // 8)),
        turns=Turns(threads, own=max(1, threads // 8)),
        waits=Places("long polls and event streams", settings.max_connections // 2),
        stopping=threading.Event(),
    )


def _keyring(client: AsyncRedis, journal: Journal, settings: Settings) -> Keyring:
    made = KeyFinder(client, journal)
    return Keyring(settings.api_keys, made, _issuer(settings), required=settings.keys_required)


def _issuer(settings: Settings) -> Issuer | None:
    if settings.oidc_issuer is None:
        return None
    from api.jwks import KeySet  # noqa: PLC0415 - loads what nobody else needs
    from api.oidc import TokenIssuer  # noqa: PLC0415 - loads what nobody else needs

    return TokenIssuer(settings, KeySet(settings.oidc_issuer, settings.oidc_jwks_url))


def _admission(client: AsyncRedis, per_minute: int, what: str = "requests") -> Admission:
    return RateLimit(client, per_minute, what) if per_minute else Unlimited()
