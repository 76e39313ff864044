"""Which settings need which others, and how addresses must look."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rag.settings.whole import Settings

_WEB = ("qdrant_url", "jina_base_url", "generator_url", "jaeger_endpoint")


def misfits(settings: "Settings") -> Iterator[str]:
    """A line for each setting that cannot work beside the others: what to change."""
    yield from _addresses(settings)
    yield from _missing(settings)
    if settings.top_k_rerank > settings.top_k_retrieval:
        yield "TOP_K_RERANK is over TOP_K_RETRIEVAL: fewer are retrieved than shall be kept"
    if settings.qdrant_write_consistency_factor > settings.qdrant_replication_factor:
        yield (
            "QDRANT_WRITE_CONSISTENCY_FACTOR is over QDRANT_REPLICATION_FACTOR: "
            "a write could never reach so many nodes"
        )


def _addresses(settings: "Settings") -> Iterator[str]:
    for name in _WEB:
        value = getattr(settings, name)
        if value and not _is_web(value):
            yield f"{name.upper()} must be an http:// or https:// address, such as http://host:port"
    if settings.ollama_url and not all(map(_is_web, settings.ollama_replicas)):
        yield "OLLAMA_URL must be an http:// or https:// address, or several with commas between"


def _is_web(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _missing(settings: "Settings") -> Iterator[str]:
    if settings.generator == "openai" and not settings.generator_url:
        yield "GENERATOR=openai needs GENERATOR_URL, the base URL of the server"
    if settings.generator == "ollama" and not settings.ollama_url:
        yield "GENERATOR=ollama needs OLLAMA_URL"
    if settings.embedder == "ollama" and not settings.ollama_url:
        yield "EMBEDDER=ollama needs OLLAMA_URL"
    for role in ("embedder", "reranker"):
        if getattr(settings, role) == "jina" and not (settings.jina_api_key or settings.jina_base_url):
            yield f"{role.upper()}=jina needs JINA_API_KEY, or JINA_BASE_URL of a server without keys"
    if settings.blob_kms_key and settings.blob_encryption in (None, "AES256"):
        yield "BLOB_KMS_KEY needs BLOB_ENCRYPTION=aws:kms"
