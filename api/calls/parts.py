"""What the routes work with: the composition root, run once a process."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from api.access.access import Authenticator, Issuer
from api.access.limits import FairSemaphore, Quota, RateLimit, RateLimiter, Unlimited
from api.calls.batch_standings import BatchStandings
from api.calls.event_feed import JobEventFeed
from api.incoming.receiving import MIB, BodyReceiver
from rag.backups.listing import BackupListing
from rag.backups.retention import Retention
from rag.backups.status import BackupStatus
from rag.backups.vault import Vault
from rag.blobs.buckets import Disks
from rag.blobs.store import ObstoreBlobs
from rag.jobs import DurableBatchStore, DurableJobStore
from rag.journal.journal import Journal
from rag.ports import BatchStore, BlobStore, Cache, DocumentRegistry, JobStore
from rag.redis.audit import AuditReader, AuditWriter
from rag.redis.cache import RedisCache
from rag.redis.connection import connect, connect_async
from rag.redis.health import BrokerWatch
from rag.redis.heartbeats import Heartbeats
from rag.redis.job_notifications import ChangeFeed
from rag.redis.server_health import ServerHealth
from rag.redis.token_usage import TokenUsage
from rag.registry.durable import DurableDocumentRegistry
from rag.registry.keys import KeyFinder, KeyRegistry
from rag.settings import Settings
from rag.telemetry.measured import measured
from rag.telemetry.tracing import watched
from tasks.submit.batches import BatchSubmissions
from tasks.submit.submissions import Publisher, Submissions
from tasks.submit.waits import Waits

if TYPE_CHECKING:  # loads prometheus-client: see api.metrics
    from rag.telemetry.call_metrics import CallMetrics

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """``bodies``: receives bodies of requests. ``uploads``: documents that are taken in after they came.
    ``threads``: everything else that takes a thread. ``waits``: long polls and event streams. ``job_waits``:
    why jobs wait.

    ``write_limit`` counts requests that submit or change something, ``read_limit`` all others, ``wrong_keys``
    those with an unknown key, for each address.
    ``calls`` counts and times the calls of the stores; None: nothing does.
    ``stopping`` is set when the server was told to stop: nothing is to wait for a job any more.
    """

    settings: Settings
    authenticator: Authenticator
    keys: KeyRegistry
    audit: AuditReader
    audit_writer: AuditWriter
    write_limit: RateLimiter
    read_limit: RateLimiter
    wrong_keys: RateLimiter
    jobs: JobStore
    batches: BatchStore
    documents: DocumentRegistry
    blobs: BlobStore
    submissions: Submissions
    batch_submissions: BatchSubmissions
    publisher: Publisher
    job_waits: Waits
    listing: BackupListing
    backup_status: BackupStatus
    broker: BrokerWatch
    disks: Disks
    changes: ChangeFeed
    events: JobEventFeed
    standings: BatchStandings
    heartbeats: Heartbeats
    cache: Cache
    usage: TokenUsage
    servers: ServerHealth
    calls: "CallMetrics | None"
    bodies: BodyReceiver
    uploads: FairSemaphore
    threads: FairSemaphore
    waits: Quota
    stopping: threading.Event


def build(settings: Settings) -> Parts:
    """The parts that ``settings`` choose. Nothing is sent to any of them yet."""
    client = connect(settings)
    async_client = connect_async(settings.records_url, connections=settings.connection_pool_size)
    calls = _call_metrics(settings) if settings.prometheus_metrics_enabled else None

    def measure(part: T, dependency: str) -> T:
        return part if calls is None else measured(part, dependency, calls)

    blobs: BlobStore = watched(ObstoreBlobs.of(settings), settings.blob_address.partition(":")[0])
    blobs = measure(blobs, "blobs")
    journal = Journal(blobs)
    jobs: JobStore = measure(DurableJobStore(client, settings, journal), "redis")
    documents: DocumentRegistry = measure(DurableDocumentRegistry(client, journal), "redis")
    batches: BatchStore = measure(DurableBatchStore(client, settings, journal), "redis")
    finder, issuer = KeyFinder(async_client, journal), _issuer_of(settings)
    publisher = Publisher(settings)
    heartbeats = measure(Heartbeats(client), "redis")
    changes, stopping = ChangeFeed(settings.records_url), threading.Event()
    threads = settings.max_concurrent_requests

    def limit(per_minute: int, what: str) -> RateLimiter:
        return RateLimit(async_client, per_minute, what) if per_minute else Unlimited()

    return Parts(
        settings=settings,
        authenticator=Authenticator(settings.api_keys, finder, issuer, required=settings.keys_required),
        keys=KeyRegistry(client, journal, Retention.of(settings).seconds),
        audit=AuditReader(client),
        audit_writer=AuditWriter(async_client, settings.audit_entries),
        write_limit=limit(settings.requests_per_minute, "requests"),
        read_limit=limit(settings.reads_per_minute, "reads"),
        wrong_keys=limit(settings.wrong_keys_per_minute, "wrong keys"),
        jobs=jobs,
        batches=batches,
        documents=documents,
        blobs=blobs,
        submissions=Submissions(settings, jobs, documents, blobs, publisher.send),
        batch_submissions=BatchSubmissions(settings, jobs, batches, documents, blobs, publisher.send),
        publisher=publisher,
        job_waits=Waits(jobs, heartbeats, able=lambda: publisher.fault is None),
        listing=BackupListing(Vault.of(settings)),
        backup_status=BackupStatus(client),
        broker=BrokerWatch(client, settings),
        disks=Disks.of(settings),
        changes=changes,
        events=JobEventFeed(jobs, changes, stopping),
        standings=BatchStandings(batches),
        heartbeats=heartbeats,
        usage=TokenUsage(client),
        servers=ServerHealth(client),
        calls=calls,
        cache=RedisCache(client, settings),
        # Half of the connections, since waits may take the other half.
        bodies=BodyReceiver(places=settings.max_connections // 2, budget=settings.bodies_mb * MIB),
        # Half of the threads, so that slow documents leave some to everything else.
        uploads=FairSemaphore(max(1, threads // 2), own=max(1, threads // 8)),
        threads=FairSemaphore(threads, own=max(1, threads // 8)),
        waits=Quota("long polls and event streams", settings.max_connections // 2),
        stopping=stopping,
    )


def _call_metrics(settings: Settings) -> "CallMetrics":
    from rag.telemetry.call_metrics import CallMetrics  # noqa: PLC0415 - loads prometheus-client: see api.metrics

    return CallMetrics(exemplars=settings.api_processes == 1)


def _issuer_of(settings: Settings) -> Issuer | None:
    if settings.oidc_issuer is None:
        return None
    from api.access.oidc import KeySet, TokenIssuer  # noqa: PLC0415 - loads what nobody else needs

    return TokenIssuer(settings, KeySet(settings.oidc_issuer, settings.oidc_jwks_url))
