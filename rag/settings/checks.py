"""Checks across settings: which ones need others, which limits exclude each other, how addresses look.

Checks which of the configured times must be shorter than which, and says what breaks otherwise.
"""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from rag.settings.derived import BUNDLED_EMBEDDINGS, DerivedSettings
from rag.settings.redis_url import TLS_SCHEMES, check_files
from rag.settings.wording import shown

_KEYS = ("api_key", "qdrant_api_key", "jina_api_key", "generator_api_key")
_HEADER_VALUE = re.compile(r"[!-~]+")
_DURATION = re.compile(r"-?\d+(?:\.\d+)?|-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
"""By https://pkg.go.dev/time#ParseDuration, or a number of seconds."""

_HOST = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_LOGIN = re.compile(r"[^:]+:.+", re.DOTALL)
_LEAST_PROMPT = 768  # tokens of instructions, question and a passage
_WEB = ("jina_base_url", "generator_url", "jaeger_endpoint", "flower_url", "console_url")
_ORDERED = (
    ("top_k_rerank", "top_k_retrieval", "fewer are retrieved than shall be kept, so "),
    (
        "qdrant_write_consistency_factor",
        "qdrant_replication_factor",
        "a write could never reach so many nodes, so ",
    ),
    ("top_k_retrieval", "max_top_k", ""),
    ("top_k_rerank", "max_top_n", ""),
)
"""Pairs of settings of which the first may not be over the second, and why."""


def misfits(settings: DerivedSettings) -> Iterator[str]:
    """A line for each setting that cannot work together with the others, with what to change."""
    yield from _addresses(settings)
    yield from _callers(settings)
    yield from _flower(settings)
    yield from _files(settings)
    yield from _missing(settings)
    yield from _limits(settings)
    yield from _stores(settings)


def _addresses(settings: DerivedSettings) -> Iterator[str]:
    for name in _WEB:
        value = getattr(settings, name)
        if value and not _is_web(value):
            yield f"{name.upper()}: {shown(value)} is not an http:// or https:// address, such as http://host:port"
    for name, addresses, example in (
        ("ollama_url", settings.ollama_replicas, "http://ollama:11434"),
        ("qdrant_url", settings.qdrant_addresses, "http://qdrant:6333"),
    ):
        value = getattr(settings, name)
        if value is not None and not (addresses and all(map(_is_web, addresses))):
            yield (
                f"{name.upper()}: {shown(value)} is not an http:// or https:// address, such as {example}, "
                "or several with commas between"
            )
    for name in _KEYS:
        secret = getattr(settings, name)
        if secret and not _HEADER_VALUE.fullmatch(secret.get_secret_value()):
            yield f"{name.upper()}: its value has a space, a line break or a letter beyond ASCII in it, so no header can carry it"


def _callers(settings: DerivedSettings) -> Iterator[str]:
    for origin in settings.cors_origins:
        # by https://fetch.spec.whatwg.org/#origin-header: scheme, host and port, and nothing else
        parts = urlsplit(origin) if _is_web(origin) else None
        if origin != "*" and (parts is None or f"{parts.scheme}://{parts.netloc}" != origin):
            yield f"CORS_ORIGINS: {shown(origin)} is no origin, such as https://app.example.com without a path, or *"
    for host in settings.allowed_hosts:
        if not _HOST.fullmatch(host):
            yield f"ALLOWED_HOSTS: {shown(host)} is no name without a port, such as rag.example.com, *.example.com or *"
    for network in settings.trusted_proxies:
        try:
            ip_network(network)
        except ValueError:
            yield f"TRUSTED_PROXIES: {shown(network)} is no address and no network, such as 10.0.0.0/8"


def _flower(settings: DerivedSettings) -> Iterator[str]:
    password = settings.flower_basic_auth
    if password and not all(map(_LOGIN.fullmatch, password.get_secret_value().split(","))):
        yield "FLOWER_BASIC_AUTH: its value is not user:password, or several with commas between"
    url = settings.flower_url
    if url and _is_web(url) and urlsplit(url).path.strip("/") != settings.flower_prefix.strip("/"):
        yield (
            f"FLOWER_URL: {shown(url)} has another path than FLOWER_URL_PREFIX ({settings.flower_prefix or '/'}), "
            "and Flower's links need the path that browsers use: give both the same"
        )


def _files(settings: DerivedSettings) -> Iterator[str]:
    """Certificates that cannot be used; without this check, only the first connection would show it."""
    file = settings.qdrant_ca_file
    if file is not None:
        try:
            ssl.create_default_context(cafile=str(file))
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            yield f"QDRANT_CA_FILE: {file} cannot be read as certificates in PEM"
    url = settings.redis_url
    if url is None or not url.get_secret_value().startswith(TLS_SCHEMES):
        if settings.redis_ca_file:
            yield "REDIS_CA_FILE needs a REDIS_URL that begins with rediss:// or sentinels://"
        return
    try:
        check_files(settings.redis_address.tls or {})
    except OSError as error:
        yield f"REDIS_CA_FILE, or the files that REDIS_URL names, cannot be used: {error.strerror or error}"


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or brackets do not close
        return False


def _missing(settings: DerivedSettings) -> Iterator[str]:
    if settings.generator == "openai" and not settings.generator_url:
        yield "GENERATOR=openai needs GENERATOR_URL, the base URL of the server"
    yield from _embedding_models(settings)
    for role in ("generator", "embedder"):
        if getattr(settings, role) == "ollama" and not settings.ollama_url:
            yield f"{role.upper()}=ollama needs OLLAMA_URL"
    for role in ("embedder", "reranker"):
        if getattr(settings, role) == "jina" and not (settings.jina_api_key or settings.jina_base_url):
            yield f"{role.upper()}=jina needs JINA_API_KEY, or JINA_BASE_URL of a server without keys"


def _embedding_models(settings: DerivedSettings) -> Iterator[str]:
    model, bundled = settings.embedding_model, ", ".join(BUNDLED_EMBEDDINGS)
    if settings.embedder == "jina" and model in BUNDLED_EMBEDDINGS:
        yield f"EMBEDDING_MODEL={model} is bundled: EMBEDDER=jina needs a model of its server"
    others = type(settings).model_fields["embedding_model"].default, *BUNDLED_EMBEDDINGS
    if settings.embedder == "bundled" and model not in others:
        yield f"EMBEDDING_MODEL: {shown(model)} is not bundled: EMBEDDER=bundled has {bundled}"


def _limits(settings: DerivedSettings) -> Iterator[str]:
    for low, high, reason in _ORDERED:
        value, most = getattr(settings, low), getattr(settings, high)
        if value > most:
            yield f"{low.upper()} ({value}) is over {high.upper()} ({most}): {reason}lower the one or raise the other"
    least = 2 * (settings.max_upload_mb + 1)
    if settings.bodies_mb < least:
        yield (
            f"MAX_BODIES_MB ({settings.bodies_mb}) must be {least} at least, since one caller has half of it, and one document may have "
            f"MAX_UPLOAD_MB ({settings.max_upload_mb})"
        )
    needed = settings.generator_max_tokens + _LEAST_PROMPT
    if settings.answered_by == "ollama" and settings.ollama_max_context < needed:
        yield (
            f"OLLAMA_MAX_CONTEXT ({settings.ollama_max_context}) must be {needed} at least, since the answer may take GENERATOR_MAX_TOKENS "
            f"({settings.generator_max_tokens}) of it"
        )
    if not _DURATION.fullmatch(settings.ollama_keep_alive):
        yield (
            f"OLLAMA_KEEP_ALIVE: {shown(settings.ollama_keep_alive)} is neither seconds, such as 300 or -1, "
            "nor a time with units, such as 24h or 1h30m"
        )
    uses_jina = "jina" in (settings.embedded_by, settings.reranked_by)
    if uses_jina and settings.jina_timeout >= settings.interactive_timeout:
        yield (
            f"JINA_TIMEOUT ({settings.jina_timeout:g}) must be under INTERACTIVE_TIMEOUT "
            f"({settings.interactive_timeout:g}), or a question's worker would count as hung first"
        )


def _stores(settings: DerivedSettings) -> Iterator[str]:
    addresses = (settings.blob_address, settings.backup_address)
    if settings.blob_kms_key and settings.blob_encryption in (None, "AES256"):
        yield f"BLOB_KMS_KEY: {shown(settings.blob_kms_key)} needs BLOB_ENCRYPTION=aws:kms"
    if settings.blob_encryption and not any(address.startswith("s3") for address in addresses):
        yield (
            f"BLOB_ENCRYPTION: {settings.blob_encryption} is for s3:// alone: Azure and Google encrypt by the "
            "settings of the bucket"
        )
    blobs, backups = (address.rstrip("/") + "/" for address in addresses)
    if blobs.startswith(backups) or backups.startswith(blobs):
        yield (
            f"BACKUP_URL and BLOB_URL are in one another ({shown(addresses[1])} and {shown(addresses[0])}): a "
            "backup would save the others, so use two folders"
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """The setting ``shorter`` must be less than the setting ``longer``. ``else_``: what happens otherwise."""

    shorter: str
    longer: str
    else_: str


RULES = (
    Rule("lease_seconds", "stage_timeout", "a stage would be ended before it could be missed"),
    Rule("lease_seconds", "backup_stage_timeout", "a backup would be ended before it could be missed"),
    Rule("stage_timeout", "visibility_timeout", "a task that still runs would be delivered a second time"),
    Rule(
        "visibility_timeout",
        "stale_lease_seconds",
        "a stage would be taken from its worker before its time is up",
    ),
    Rule("interactive_timeout", "visibility_timeout", "a search that still runs would be delivered again"),
    Rule("parse_timeout", "stage_timeout", "a slow document would cost its worker, and be tried again"),
    Rule("ocr_timeout", "stage_timeout", "a long scan would cost its worker, and be tried again"),
    Rule("fetch_timeout", "stage_timeout", "a slow server would cost its worker, and be asked again"),
    Rule("generator_timeout", "stage_timeout", "a slow answer would cost its worker, and be tried again"),
    Rule("lease_seconds", "api_timeout", "a question whose worker died would never be answered in time"),
)


def out_of_order(settings: object) -> Iterator[str]:
    """A line for each rule that the settings break: which to raise or lower, and why."""
    for rule in RULES:
        shorter, longer = getattr(settings, rule.shorter), getattr(settings, rule.longer)
        if shorter >= longer:
            yield (
                f"{rule.longer.upper()} ({longer:g}) must be over {rule.shorter.upper()} ({shorter:g}), "
                f"or {rule.else_}: raise the one or lower the other"
            )
