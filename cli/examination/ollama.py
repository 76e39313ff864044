"""What an Ollama server holds in memory, by ``GET /api/ps`` of its API."""

from datetime import UTC, datetime

from ollama import Client, ProcessResponse

from rag.settings import Settings
from workers.ollama.errors import ollama_errors

_SECONDS = 10.0
_FOR_EVER_HOURS = 24 * 365
_GB = 1 << 30


def holding(settings: Settings, url: str) -> str:
    """A clause on OLLAMA_MODEL there: whether it is loaded, for how long yet, and how much of it on a GPU."""
    with ollama_errors(url), Client(url, timeout=_SECONDS) as client:
        loaded = client.ps().models
    names = (settings.ollama_model, f"{settings.ollama_model}:latest")
    return next((_of(model) for model in loaded if model.model in names), "not loaded")


def _of(model: ProcessResponse.Model) -> str:
    size, on_gpu = int(model.size or 0), int(model.size_vram or 0)
    share = f", {on_gpu / size:.0%} of {size / _GB:.1f} GB on a GPU" if size else ""
    return f"loaded{_for(model.expires_at)}{share}"


def _for(until: datetime | None) -> str:
    if until is None:
        return ""
    hours = (until - datetime.now(UTC)).total_seconds() / 3600
    return "" if hours > _FOR_EVER_HOURS else f" for {hours:.1f} h yet"
