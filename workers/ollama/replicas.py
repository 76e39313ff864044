"""The Ollama servers of the settings, and their making ready when a worker starts."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from rag.errors import AegisError, ModelError
from rag.settings import Settings
from workers.ollama.replica import Replica

log = logging.getLogger(__name__)


def replicas(settings: Settings, model: str) -> tuple[Replica, ...]:
    """One for each address in OLLAMA_URL, for ``model``."""
    keep_alive = duration(settings.ollama_keep_alive)
    return tuple(
        Replica(url, model, keep_alive, settings.generator_timeout) for url in settings.ollama_replicas
    )


def duration(text: str) -> float | str:
    """As the API takes it: seconds as a number, such as -1 for ever, or text with units, such as 24h."""
    try:
        return float(text)
    except ValueError:
        return text


async def prepare(servers: Sequence[Replica], *, pull: bool, context: int | None = None) -> None:
    """Have the model on each server, and loaded with ``context`` tokens unless None.

    Servers that cannot be made ready are logged while there is another; else the error is
    raised that somebody can do something about.
    """
    outcomes = await asyncio.gather(*(_ready(server, pull, context) for server in servers))
    errors = [error for error in outcomes if error is not None]
    if len(errors) == len(servers):
        raise next((error for error in errors if isinstance(error, ModelError)), errors[0])
    for error in errors:
        log.warning("another Ollama replica has to do: %s", error)


async def _ready(server: Replica, pull: bool, context: int | None) -> AegisError | None:
    return await _failure(server.provide(pull=pull)) or (
        None if context is None else await _failure(server.load(context))
    )


async def _failure(work: Coroutine[Any, Any, None]) -> AegisError | None:
    try:
        await work
    except AegisError as error:
        return error
    return None
