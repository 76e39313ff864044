"""Settings of jobs: Redis and the queues, with limits of time, attempts and number."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_LEAST_KEY, _MOST_KEYS = 32, 2


class JobSettings(BaseSettings):
    """Redis and the queues."""

    # --- Redis
    redis_url: SecretStr | None = Field(
        None,
        description="Broker and job records: redis://, rediss://, unix://, sentinel:// or sentinels://, see docs/reference/redis.md. Unset: the bundled broker in AEGIS_HOME.",
    )
    redis_ca_file: Path | None = Field(
        None,
        description="Certificates (PEM) to trust at REDIS_URL, for rediss:// and sentinels:// with a private authority.",
    )
    connection_pool_size: int = Field(
        20,
        ge=2,
        description="Most Redis connections in each pool of a process: for records, for rate limits, for queues. A call waits while all are in use.",
    )
    message_key: SecretStr | None = Field(
        None,
        description="Secret of 32 characters or more that signs messages between the processes; workers run no other messages. To change it, set the new and the old one with a comma between: the first signs, both are accepted. Unset: not signed. See docs/reference/redis.md.",
    )
    broker_memory_mb: int = Field(
        1024,
        ge=16,
        description="MB of memory of the embedded broker. From 80 % of it on, or of the maxmemory of REDIS_URL's server, new jobs get 429.",
    )
    broker_binary: Path | None = Field(
        None,
        description="Program of the embedded broker. Unset: the system's valkey-server from 8.0 on or redis-server from 7.2 on, where there is one and no other wrote the data in AEGIS_HOME; else the bundled one, whose SHA-256 is checked.",
    )
    broker_host: str | None = Field(
        None,
        pattern="^[A-Za-z0-9.:%_-]*$",
        description="Address on which the embedded broker also listens on TCP, for parts on other machines or in other containers. Unset: only on a Unix socket in AEGIS_HOME.",
    )
    broker_port: int = Field(
        6379, ge=1, le=65535, description="Port of the embedded broker; counts with BROKER_HOST only."
    )
    broker_password: SecretStr | None = Field(
        None,
        min_length=16,
        description="Password that the embedded broker asks for. It does not listen beyond this machine without one, unless ALLOW_ANONYMOUS says so.",
    )
    broker_may_forget: bool = Field(
        False,
        description="Whether a Redis without append-only file is accepted: after its restart, the jobs that JOURNAL names are rebuilt from BLOB_URL.",
    )
    job_retention_hours: float = Field(
        72, gt=0, description="Hours after which the record of an ended job is removed."
    )
    dead_letter_days: float = Field(
        30, gt=0, description="Days that a dead job is kept with its inputs, for a replay."
    )
    max_ended_jobs: int = Field(
        50_000,
        ge=0,
        description="Most records of ended jobs, and of dead ones; the oldest are removed first.",
    )
    idempotency_hours: float = Field(24, gt=0, description="Hours an Idempotency-Key is remembered.")

    # --- queues
    max_attempts: int = Field(
        3, ge=1, description="Deliveries of one stage of one job before the job is given up."
    )
    max_retries_per_job: int = Field(
        6, ge=0, description="Attempts beyond the first that all stages of one job may take together."
    )
    max_open_ingests: int = Field(
        10_000, ge=1, description="Ingestions that may be queued or running; more get 429."
    )
    max_open_queries: int = Field(
        1_000, ge=1, description="Questions that may be queued or running; more get 429."
    )
    max_open_jobs_per_key: int = Field(
        0,
        ge=0,
        description="Ingestions, and as many questions, that one API key may have queued or running; more get 429. 0: as many as there is still room for, which for one key alone is half of MAX_OPEN_INGESTS or MAX_OPEN_QUERIES.",
    )
    stage_timeout: float = Field(900, gt=0, description="Seconds after which a stage is ended from outside.")
    interactive_timeout: float = Field(
        60,
        gt=0,
        description="Seconds that embedding a question, or searching and reranking, may take before the worker counts as hung.",
    )
    shared_workers: bool = Field(
        True,
        description="Whether lanes that do not hold each other up share a worker under `aegis up`, which takes half of the memory. false: each lane has its own, as it always has in a container.",
    )
    worker_id: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="32 hexadecimal digits under which a worker holds jobs. A worker that is started again under the same one, after the one before has ended, goes on at once with what that was doing. Unset: each process has its own. `aegis up` sets it.",
    )
    silence_seconds: float = Field(
        30,
        ge=10,
        description="Seconds without a task taken from its queue after which an idle worker counts as hung.",
    )
    drain_seconds: float = Field(
        10,
        ge=0,
        description="Seconds that a worker told to stop goes on with its stage before that goes back into the queue. An orchestrator's grace period should be 10 s longer.",
    )
    lease_seconds: float = Field(
        30, gt=1, description="Seconds without a heartbeat after which a running stage counts as dead."
    )
    visibility_timeout: float = Field(
        default_factory=lambda known: known["stage_timeout"] + 120,
        gt=0,
        description="Seconds after which the queue delivers a task again that nobody has acknowledged. Unset: STAGE_TIMEOUT + 120.",
    )
    stale_lease_seconds: float = Field(
        default_factory=lambda known: known["visibility_timeout"] + 180,
        gt=0,
        description="Seconds after which a stage is taken from a worker that still sends heartbeats. Unset: VISIBILITY_TIMEOUT + 180.",
    )
    worker_memory_mb: int = Field(
        4096,
        ge=0,
        description="MB of memory that one worker process may take, on Linux; a stage that wants more fails. 0: no limit.",
    )
    batch_jobs: int = Field(
        16,
        ge=1,
        le=64,
        description="Most small jobs, of 64 chunks in all, that one worker takes together, so that they share calls to the model and to the vector store; 1: each by itself.",
    )
    batch_wait_ms: float = Field(
        0,
        ge=0,
        le=1000,
        description="Milliseconds that a worker waits for more jobs to share a call with, where at least two and fewer than BATCH_JOBS are queued; 0: it takes only those that are there.",
    )

    @field_validator("message_key")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        keys = _split_keys(value)
        if len(keys) > _MOST_KEYS or any(len(key) < _LEAST_KEY for key in keys):
            raise ValueError(f"must be a key of {_LEAST_KEY} characters or more, or two with a comma between")
        return value

    @property
    def message_keys(self) -> tuple[bytes, ...]:
        """The key that signs first; () when messages are not signed."""
        return tuple(key.encode() for key in _split_keys(self.message_key))


def _split_keys(keys: SecretStr | None) -> tuple[str, ...]:
    return tuple(key.strip() for key in keys.get_secret_value().split(",")) if keys else ()
