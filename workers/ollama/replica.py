"""One Ollama server, by its own API: https://github.com/ollama/ollama/blob/main/docs/api.md."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import httpx
from ollama import AsyncClient, ChatResponse, ProgressResponse

from rag.errors import ModelError, TimedOut, Unavailable
from workers.generation.thoughts import Piece
from workers.ollama.refusals import ModelMissingError, reaching

CONNECT_SECONDS = 3.0
PULL_SECONDS = 3600.0
"""A pull takes no longer; the next one goes on where it ended."""

_LIST_SECONDS = 10.0
_STALL_SECONDS = 120.0  # in which a pull must make some progress
_TELL_SECONDS = 10.0

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
        """Return when the model is there, pulled if need be and ``pull``; else ModelMissingError."""
        async with self._client(_LIST_SECONDS) as client:
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
        """Have the model in memory with ``context`` tokens, so that nobody waits for it later."""
        async with self._client(self.timeout) as client:
            await client.chat(self.model, [], keep_alive=self.keep_alive, options={"num_ctx": context})

    async def completion(
        self, messages: Sequence[Mapping[str, str]], *, context: int, most: int
    ) -> AsyncGenerator[Piece, None]:
        """The model's words as they come, ``most`` tokens at most. Unavailable when they break off."""
        options = {"num_ctx": context, "num_predict": most, "temperature": 0}
        async with self._client(self.timeout) as client:
            parts = await client.chat(
                self.model, list(messages), stream=True, keep_alive=self.keep_alive, options=options
            )
            async with _closing(parts):
                async for part in parts:
                    yield _piece(part)
                    if part.done:
                        return
        raise Unavailable(f"{self.url}: the answer broke off")

    async def _pull(self) -> None:
        log.info("%s: pulling %s", self.url, self.model)
        try:
            async with asyncio.timeout(PULL_SECONDS), self._client(_STALL_SECONDS) as client:
                parts = await client.pull(self.model, stream=True)
                async with _closing(parts):
                    await self._follow(parts)
        except TimeoutError as error:
            raise TimedOut(f"{self.url}: {self.model} was not pulled in {PULL_SECONDS:g} s") from error
        except ModelError as error:
            raise ModelError(f"{self.url} cannot pull {self.model}, set OLLAMA_MODEL: {error}") from error
        log.info("%s: pulled %s", self.url, self.model)

    async def _follow(self, parts: AsyncIterator[ProgressResponse]) -> None:
        """Tell the log now and then how far the pull is. Unavailable when it breaks off."""
        told, status = monotonic(), None
        async for part in parts:
            status = part.status
            if monotonic() - told > _TELL_SECONDS:
                told = monotonic()
                share = f" {part.completed / part.total:.0%}" if part.completed and part.total else ""
                log.info("%s: %s: %s%s", self.url, self.model, status, share)
        if status != "success":
            raise Unavailable(f"{self.url}: the pull of {self.model} broke off")

    @asynccontextmanager
    async def _client(self, seconds: float) -> AsyncIterator[AsyncClient]:
        limits = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        with reaching(self.url):
            async with AsyncClient(self.url, timeout=limits, follow_redirects=False) as client:
                yield client


def _closing(parts: AsyncIterator[Any]) -> "aclosing[AsyncGenerator[Any, None]]":
    """``ollama`` gives generators, whose connections last until they are closed."""
    return aclosing(cast("AsyncGenerator[Any, None]", parts))


def _piece(part: ChatResponse) -> Piece:
    message = part.message
    return Piece(message.content or "", message.thinking or "", cut=part.done_reason == "length")
