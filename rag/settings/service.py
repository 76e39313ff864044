"""Settings of the service: its addresses and limits, keys, logs, and the folder it writes to."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from rag.settings.keys import ApiKey, keys_of


class ServiceSettings(BaseSettings):
    """General settings, the API, the command line, and monitoring."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO",
        description="Lowest severity of log lines that are written. Case does not matter; names such as warn and trace work too.",
    )
    log_format: Literal["json", "text"] = Field(
        "text",
        description="Form of log lines: text for people, or json, one object a line, for collectors of logs. The container images set json.",
    )
    log_questions: bool = Field(
        False,
        description="Whether the workers' logs and Flower show questions, besides names of documents.",
    )
    environment: str = Field(
        "production",
        pattern="^[A-Za-z0-9._-]{1,64}$",
        description="Name of this installation, shown in /health, in traces and by `aegis doctor`.",
    )
    debug: bool = Field(
        False,
        description="Whether log lines also name the process, the thread and the line of code. Answers never do.",
    )
    aegis_home: Path | None = Field(
        None,
        description="Folder for everything that Aegis writes. Unset: `./.aegis` if it exists, else the folder of the running stack, else the platform's data folder, such as `~/.local/share/aegis-rag`; in a checkout `./.aegis`.",
    )
    model_dir: Path = Field(
        Path(sys.prefix) / "share" / "aegis-rag",
        description="Folder of the bundled models, built by the first start, or by `aegis setup`.",
    )

    # --- API
    api_host: str = Field(
        "",
        pattern="^[A-Za-z0-9.:%_-]*$",
        description="Address the API listens on; 0.0.0.0, or 127.0.0.1 with the embedded broker.",
    )
    api_port: int = Field(8910, ge=1, le=65535, description="Port of the API.")
    api_workers: int = Field(0, ge=0, le=64, description="API processes; 4, or 1 with the embedded broker.")
    api_timeout: float = Field(
        300, gt=0, description="Seconds that a query may take from its submit on (its deadline)."
    )
    api_keys: Annotated[dict[str, ApiKey], NoDecode, BeforeValidator(keys_of)] = Field(
        default_factory=dict,
        repr=False,
        description='Keys of at least 16 characters and what they may do, as JSON {"KEY": {"name": "ci", "role": "read|write|admin", "collections": ["*"]}}; each name once, all fields required. Empty: no key is required until `aegis keys create` has made one.',
    )
    keys_required: bool = Field(
        False,
        description="Whether a key is required even before there is one. The first one is then made with an admin's key of API_KEYS.",
    )
    health_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Token with which /health/ready shows details, as with an admin's key. `aegis up` makes one for each run.",
    )
    audit_entries: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Entries of each kind (writes, questions, refused keys) that the audit log keeps in Redis; 0: only log lines.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Whether the API may run without keys, and Flower without a password, on an address that other machines can reach. Otherwise they do not start there.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Host names of the API and Flower, such as rag.example.com,*.lan or *. Loopback names and API_HOST are always allowed; on an address that other machines can reach, all IP addresses are too. Without keys, a Host header with another name is refused; with keys, only when this is set.",
    )
    cors_origins: tuple[str, ...] = Field(
        (),
        description="Origins whose pages may call the API from a browser, such as https://app.example.com. Calls from pages of other origins are refused.",
    )
    rate_limit_requests_per_minute: int | None = Field(
        None,
        ge=0,
        description="Requests a minute that submit or change something (all but GET and HEAD), for each key, or without keys for each address; 0: no limit. Unset: 100, or no limit with the embedded broker.",
    )
    rate_limit_reads_per_minute: int | None = Field(
        None,
        ge=0,
        description="GET and HEAD requests a minute, counted separately in the same way; 0: no limit. Unset: 20 times RATE_LIMIT_REQUESTS_PER_MINUTE.",
    )
    wrong_keys_per_minute: int = Field(
        3_000,
        ge=0,
        description="Requests a minute with a wrong key from one address (IPv6: one /64) that get 401; more get 429. Requests with a valid key do not count. 0: no limit.",
    )
    max_concurrent_requests: int = Field(
        50,
        ge=1,
        description="Requests that one API process works on at once; more wait, and so do those of a caller who has an eighth of them.",
    )
    max_upload_mb: int = Field(50, ge=1, description="Largest document in MB; a larger one gets 413.")
    max_batch_mb: int = Field(
        100,
        ge=1,
        description="Largest body of POST /v1/documents:batch in MB, and a quarter of what an archive in it may hold unpacked; at most half of MAX_BODIES_MB counts. A larger one gets 413.",
    )
    max_batch_documents: int = Field(
        5_000, ge=1, le=50_000, description="Most documents of one POST /v1/documents:batch; more get 413."
    )
    max_connections: int = Field(
        1000,
        ge=10,
        description="Open connections of one API process. Idle ones are closed for new ones, the longest idle first; when none is idle, a new one gets 503. One address may have half of them, unless it is one of TRUSTED_PROXIES.",
    )
    api_keep_alive: int = Field(
        75,
        ge=1,
        le=3600,
        description="Seconds after which an idle connection to the API is closed. A load balancer must close its own first, or it answers 502 now and then: AWS's after 60 s, Google's after 600 s.",
    )
    max_bodies_mb: int | None = Field(
        None,
        ge=4,
        description="MB of request bodies that one API process holds, in memory and in temporary files; requests beyond that get 429. One key, or without keys one address, may have half of them. Unset: 1024, or four of the largest documents if that is more.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses and networks of the proxies in front of the API, such as 10.0.0.0/8. X-Forwarded-For and X-Forwarded-Proto count only when they come from these.",
    )

    # --- the command line
    api_key: SecretStr | None = Field(None, description="Key that the command line sends to the API.")

    # --- monitoring
    liveness_file: Path | None = Field(
        None,
        description="File that a worker, beat and the vector engine touch every few seconds, and not while they hang: a container's health check looks at its age. One process, one file. Unset: none.",
    )
    process_inspection: bool = Field(
        False,
        description="Whether debuggers and profilers of the same user, such as py-spy, may read the processes' memory and environments. Linux only.",
    )
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    flower_basic_auth: SecretStr | None = Field(
        None,
        description="user:password for Flower. Without it, Flower is read-only and its API is off.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of each worker's own /metrics, on API_HOST, such as 9464; `aegis up` gives the workers this port and the next ones, in the order of their first lanes. Unset: workers have none, and measure nothing for it.",
    )
    flower_auth: str | None = Field(
        None,
        description="Regular expression of the e-mail addresses that may sign in to Flower by OAuth. Flower's own variables say how: FLOWER_AUTH_PROVIDER, FLOWER_OAUTH2_KEY, FLOWER_OAUTH2_SECRET, FLOWER_OAUTH2_REDIRECT_URI, FLOWER_COOKIE_SECRET.",
    )
    flower_open_metrics: bool = Field(
        False,
        description="Whether Flower's /metrics asks for no password, where its pages ask for one. Only where nobody but Prometheus reaches Flower.",
    )
    flower_url: str | None = Field(
        None,
        description="Where browsers find Flower, such as https://rag.example.com/flower/. The console links to it; whoever reaches the API can read it. Unset: no link.",
    )
    flower_url_prefix: str = Field(
        "",
        pattern=r"^/?([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?/?$",
        max_length=200,
        description="Path below which Flower's pages are, such as flower, where a reverse proxy leads a path to it and leaves it as it is.",
    )
    flower_persistent: bool = Field(
        True,
        description="Whether Flower keeps its tasks in AEGIS_HOME/flower over a restart.",
    )
    flower_max_tasks: int = Field(
        10_000, ge=1, description="Tasks that Flower keeps; of more it forgets the oldest."
    )
    flower_max_workers: int = Field(
        1_000, ge=1, description="Workers that Flower keeps; of more it forgets the oldest."
    )
    console_url: str | None = Field(
        None,
        description="Where browsers find the console, such as https://rag.example.com. Flower shows the address of each task's job there. Unset: that of the API on this machine.",
    )
    prometheus_metrics_enabled: bool = Field(True, description="Whether /metrics answers.")
    tracing_enabled: bool = Field(True, description="Whether spans are sent to JAEGER_ENDPOINT.")
    traces_sample_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of traces whose spans are sent. A request that carries a `traceparent` is traced, or not, as that says.",
    )
    jaeger_endpoint: str | None = Field(
        None,
        description="Jaeger or any collector of OTLP over HTTP, such as http://jaeger:4318. With Jaeger's old port, 14268, spans go to port 4318 of the same host. Unset: no spans.",
    )
