"""Ollama servers by their own API: https://github.com/ollama/ollama/blob/main/docs/api.md."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import httpx
from ollama import AsyncClient, ProgressResponse

from rag.errors import AegisError, ModelError, TimedOut, Unavailable
from rag.settings import Settings
from rag.telemetry import current_call
from rag.telemetry.tracing import trace_headers
from workers.generation.reasoning import Piece
from workers.ollama.errors import ModelMissingError, ollama_errors

CONNECT_SECONDS = 3.0
PULL_SECONDS = 3600.0
"""The longest pull; the next one continues where it ended."""

_LIST_SECONDS = 10.0
_STALL_SECONDS = 120.0  # in which a pull must make some progress
_LOG_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replica:
    """A server at ``url`` and the model that is wanted there.

    keep_alive: seconds, or a duration such as "24h", for which the model stays loaded.
    timeout: seconds for a whole answer, the loading of the model included.

    Every method raises Unavailable, Overloaded, TimedOut or a ModelError that says what to do.
    """

    url: str
    model: str
    keep_alive: float | str
    timeout: float

    async def provide(self, *, pull: bool) -> None:
        """Return when the server has the model; pull it with ``pull``, else raise ModelMissingError."""
        async with self._client("list", _LIST_SECONDS) as client:
            listed = [str(model.model) for model in (await client.list()).models]
        if self.model in listed or f"{self.model}:latest" in listed:
            return
        if not pull:
            raise ModelMissingError(
                f"{self.url} has {', '.join(listed) or 'no models'}; not {self.model}: `ollama pull` it "
                "there, set OLLAMA_PULL=true, or name another"
            )
        await self._pull()

    async def load(self, context: int) -> None:
        """Load the model into memory with ``context`` tokens, so that no question waits for it."""
        async with self._client("load", self.timeout) as client:
            await client.chat(self.model, [], keep_alive=self.keep_alive, options={"num_ctx": context})

    async def completion(
        self, messages: Sequence[Mapping[str, str]], *, context: int, most: int
    ) -> AsyncGenerator[Piece, None]:
        """The model's text as it arrives, ``most`` tokens at most. Unavailable when it ends early."""
        options = {"num_ctx": context, "num_predict": most, "temperature": 0}
        async with self._client("chat", self.timeout) as client:
            parts = await client.chat(
                self.model, list(messages), stream=True, keep_alive=self.keep_alive, options=options
            )
            async with _closing(parts):
                async for part in parts:
                    said, cut = part.message, part.done_reason == "length"
                    yield Piece(said.content or "", said.thinking or "", cut=cut)
                    if part.done:
                        current_call.note_tokens_read(part.prompt_eval_count or 0)
                        current_call.note_generation(part.eval_count or 0, (part.eval_duration or 0) / 1e9)
                        return
        raise Unavailable(f"{self.url}: the answer broke off")

    async def _pull(self) -> None:
        log.info("%s: pulling %s", self.url, self.model)
        try:
            async with asyncio.timeout(PULL_SECONDS), self._client("pull", _STALL_SECONDS) as client:
                parts = await client.pull(self.model, stream=True)
                async with _closing(parts):
                    await self._log_progress(parts)
        except TimeoutError as error:
            raise TimedOut(f"{self.url}: {self.model} was not pulled in {PULL_SECONDS:g} s") from error
        except ModelError as error:
            todo = f"{self.url} cannot pull {self.model}, set OLLAMA_MODEL: {error.for_logs}"
            raise ModelError(todo, quote=error.quote) from error
        log.info("%s: pulled %s", self.url, self.model)

    async def _log_progress(self, parts: AsyncIterator[ProgressResponse]) -> None:
        """Log every few seconds how far the pull is. Unavailable when it ends early."""
        logged, status = monotonic(), None
        async for part in parts:
            status = part.status
            if monotonic() - logged > _LOG_SECONDS:
                logged = monotonic()
                share = f" {part.completed / part.total:.0%}" if part.completed and part.total else ""
                log.info("%s: %s: %s%s", self.url, self.model, status, share)
        if status != "success":
            raise Unavailable(f"{self.url}: the pull of {self.model} broke off")

    @asynccontextmanager
    async def _client(self, operation: str, seconds: float) -> AsyncIterator[AsyncClient]:
        limits = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        with current_call.attempt(operation), ollama_errors(self.url):
            async with AsyncClient(
                self.url, timeout=limits, follow_redirects=False, headers=trace_headers()
            ) as client:
                yield client


def _closing(parts: AsyncIterator[Any]) -> "aclosing[AsyncGenerator[Any, None]]":
    """``ollama`` returns generators; a connection stays open until its generator is closed."""
    return aclosing(cast("AsyncGenerator[Any, None]", parts))


def replicas(settings: Settings, model: str) -> tuple[Replica, ...]:
    """One replica for each address in OLLAMA_URL, for ``model``."""
    keep_alive = duration(settings.ollama_keep_alive)
    return tuple(
        Replica(url, model, keep_alive, settings.generator_timeout) for url in settings.ollama_replicas
    )


def duration(text: str) -> float | str:
    """``text`` as the API takes it: a number of seconds (-1: for ever), or text with a unit, such as 24h."""
    try:
        return float(text)
    except ValueError:
        return text


async def prepare(servers: Sequence[Replica], *, pull: bool, context: int | None = None) -> None:
    """Provide the model on each server, and load it with ``context`` tokens unless None.

    Servers that fail are logged while another one is ready. When all fail, it raises the first
    ModelError, which an operator can act on, else the first error.
    """

    async def failure(server: Replica) -> AegisError | None:
        try:
            await server.provide(pull=pull)
            if context is not None:
                await server.load(context)
        except AegisError as error:
            return error
        return None

    outcomes = await asyncio.gather(*map(failure, servers))
    errors = [error for error in outcomes if error is not None]
    if len(errors) == len(servers):
        raise next((error for error in errors if isinstance(error, ModelError)), errors[0])
    for error in errors:
        log.warning("another Ollama replica has to do: %s", error)
