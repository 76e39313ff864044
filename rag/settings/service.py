"""How the service is reached, what it shows, and where it keeps what it writes."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from rag.settings.keys import ApiKey, keys_of


class ServiceSettings(BaseSettings):
    """General, the API, the command line, and what there is to look at."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="Least severe log lines that are written; in any case, and warn or trace will do."
    )
    log_questions: bool | None = Field(
        None,
        description="Whether the workers' logs and Flower tell what was asked, beside what documents are called. Unset: with the embedded broker and no keys, where nobody else asks.",
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
        description="Folder of everything that a run writes. Unset: `./.aegis` where it is, else that of the stack that runs, else the platform's folder for data, such as `~/.local/share/aegis-rag`; in a checkout `./.aegis`.",
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
        300, gt=0, description="Seconds a job may take from its submit on (its deadline) for queries."
    )
    api_keys: Annotated[dict[str, ApiKey], NoDecode, BeforeValidator(keys_of)] = Field(
        default_factory=dict,
        repr=False,
        description='Keys of at least 16 characters and what they may do, as JSON {"KEY": {"name": "ci", "role": "read|write|admin", "collections": ["*"]}}; each name once, and nothing left out. Empty: no key is asked for, until `aegis keys create` has made one.',
    )
    keys_required: bool = Field(
        False,
        description="Whether a key is asked for even before there is any. The first one is then made with an admin's key of API_KEYS.",
    )
    health_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Token that /health/ready tells details to, as it does to an admin's key. `aegis up` makes one for each run.",
    )
    audit_entries: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Entries of each kind (writes, questions, refused keys) that the audit log keeps in Redis; 0: log lines alone.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Whether the API may do without keys, and Flower without a password, on an address that other machines reach. Else the start is refused there.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names that the API and Flower are reached by, such as rag.example.com,*.lan or *. Loopback names and API_HOST are among them; on an address that other machines reach, all addresses too. Without keys a Host header with another name is refused; with keys only where this is set.",
    )
    cors_origins: tuple[str, ...] = Field(
        (),
        description="Origins that browsers may call from, such as https://app.example.com. What pages of any other origin have a browser send is refused.",
    )
    rate_limit_requests_per_minute: int | None = Field(
        None,
        ge=0,
        description="Requests a minute that submit or change something (all but GET and HEAD), for each key, or each address without keys; 0: no limit. 100, or none with the embedded broker.",
    )
    rate_limit_reads_per_minute: int | None = Field(
        None,
        ge=0,
        description="GET and HEAD requests a minute, counted likewise and apart from the others; 0: no limit. Unset: 20 times RATE_LIMIT_REQUESTS_PER_MINUTE.",
    )
    wrong_keys_per_minute: int = Field(
        3_000,
        ge=0,
        description="Requests a minute with a wrong key from one address, of IPv6 from one /64, that get 401; more get 429. Right keys are not counted. 0: no limit.",
    )
    max_concurrent_requests: int = Field(
        50,
        ge=1,
        description="Requests that one API process works on at once; more wait, as does a caller with an eighth of them.",
    )
    max_upload_mb: int = Field(50, ge=1, description="Largest document in MB; a larger one gets 413.")
    max_connections: int = Field(
        1000,
        ge=10,
        description="Connections that one API process holds open. Those that only wait give way to new ones, the longest waiting first; with all at work, 503. One address has half of them, unless it is one of TRUSTED_PROXIES.",
    )
    max_bodies_mb: int | None = Field(
        None,
        ge=4,
        description="MB of request bodies that one API process holds, in memory and in temporary files; what comes beyond that gets 429. One key, or one address without keys, has half of them. 1024, or four of the largest documents where that is more.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses and networks of the proxies before the API, such as 10.0.0.0/8. From these alone X-Forwarded-For and X-Forwarded-Proto are believed.",
    )

    # --- the command line
    api_key: SecretStr | None = Field(None, description="Key that the command line sends to the API.")

    # --- to look at
    process_inspection: bool = Field(
        False,
        description="Whether debuggers and profilers that the same user runs, such as py-spy, may look into the parts' memory and environments. Linux.",
    )
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    flower_basic_auth: SecretStr | None = Field(
        None,
        description="user:password that Flower asks for. Without one it only shows, and its API is off.",
    )
    prometheus_metrics_enabled: bool = Field(True, description="Whether /metrics answers.")
    tracing_enabled: bool = Field(
        True, description="Whether spans are sent, where JAEGER_ENDPOINT says whereto."
    )
    jaeger_endpoint: str | None = Field(
        None,
        description="Jaeger or any collector of OTLP over HTTP, such as http://jaeger:4318. Of a Jaeger's old collector port, 14268, only the host counts: spans go to 4318 there. Unset: no spans.",
    )
