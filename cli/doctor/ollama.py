"""What an Ollama server holds in memory, by ``GET /api/ps`` of its API."""

from datetime import UTC, datetime

from ollama import Client

from rag.settings import Settings
from workers.ollama.errors import ollama_errors

_SECONDS = 10.0
_FOREVER_HOURS = 24 * 365
_GB = 1 << 30


def describe_model(settings: Settings, url: str) -> str:
    """Whether OLLAMA_MODEL is loaded there, for how much longer, and how much of it is on a GPU."""
    with ollama_errors(url), Client(url, timeout=_SECONDS) as client:
        loaded = client.ps().models
    names = (settings.ollama_model, f"{settings.ollama_model}:latest")
    model = next((model for model in loaded if model.model in names), None)
    if model is None:
        return "not loaded"
    text = "loaded"
    if model.expires_at is not None:
        hours = (model.expires_at - datetime.now(UTC)).total_seconds() / 3600
        text += "" if hours > _FOREVER_HOURS else f" for {hours:.1f} h yet"
    if size := int(model.size or 0):
        text += f", {int(model.size_vram or 0) / size:.0%} of {size / _GB:.1f} GB on a GPU"
    return text
