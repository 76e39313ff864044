"""Answers written by a model behind an OpenAI-compatible server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress

import stamina

from rag.errors import ModelError, TimedOut, Transient, Unavailable
from rag.model import Answer
from rag.ports import GenerationRequest
from rag.prompting import NOT_FOUND, CitedText, Prompt, prompt
from rag.settings import Settings
from workers.generation.chat import ChatServer

_CANCEL_CHECK = 0.2  # seconds between looks at request.cancelled() while the model works
_CHARACTERS_A_TOKEN = 3.0  # cautious for English; the budget is approximate
_ATTEMPTS = 3
_LONGEST_WAIT = 2.0  # seconds; a longer Retry-After is the queue's business


class OpenAIGenerator:
    """The ``Generator`` port on a :class:`ChatServer`."""

    reads_vectors = False

    def __init__(self, server: ChatServer, *, name: str = "openai", min_relevance: float = 0.0) -> None:
        """``min_relevance``: best passages under it are "not found", and the model is not asked."""
        self.name = name
        self._server = server
        self._min_relevance = min_relevance
        self._model: str | None = None

    def answer(self, request: GenerationRequest) -> Answer:
        """The model's answer; emitted pieces, joined, are its text.

        A cancelled request ends within a second, its connection closed, with what there is.
        Raises Unavailable or Overloaded (after a few tries, while nothing was emitted),
        TimedOut, and ModelError where somebody has to change something.
        """
        hits = [candidate.hit for candidate in request.passages]
        if max((hit.score for hit in hits), default=-1.0) < self._min_relevance:
            request.emit(NOT_FOUND)
            return Answer(NOT_FOUND, (), found=False)
        asked = prompt(request.question, hits, budget=self._server.context_tokens, count=_about)
        self._model = self._model or self._server.available_model()
        return asyncio.run(_Conversation(self._server, self._model, asked, request).answer())

    def warm(self) -> None:
        """The server answers and has the model. Waits for one that is starting."""
        patience = max(self._server.patience, 0.001)
        for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=patience, wait_max=1.0):
            with attempt:
                self._model = self._server.available_model()


class _Conversation:
    """One question put to one server."""

    def __init__(self, server: ChatServer, model: str, asked: Prompt, request: GenerationRequest) -> None:
        self._server = server
        self._model = model
        self._asked = asked
        self._request = request
        self._text = CitedText(asked.passages)
        self._emitted = False

    async def answer(self) -> Answer:
        asyncio.get_running_loop().set_default_executor(_Lookups(thread_name_prefix="lookup"))
        writing = asyncio.create_task(self._write_in_time())
        while not writing.done():
            if self._request.cancelled():
                writing.cancel()
                break
            await asyncio.wait({writing}, timeout=_CANCEL_CHECK)
        with suppress(asyncio.CancelledError):
            await writing
        return self._text.answer()

    async def _write_in_time(self) -> None:
        limit = self._server.timeout
        try:
            async with asyncio.timeout(limit):
                await self._write_with_retries()
        except TimeoutError as error:
            raise TimedOut(f"{self._server.url}: no answer in GENERATOR_TIMEOUT, {limit:g} s") from error
        self._emit(self._text.close())
        if not self._text.answer().text:
            raise ModelError(
                f"{self._model} answered nothing: one that thinks needs more GENERATOR_MAX_TOKENS"
            )

    async def _write_with_retries(self) -> None:
        attempts = stamina.retry_context(
            on=self._worth_a_retry, attempts=_ATTEMPTS, wait_initial=0.2, wait_max=_LONGEST_WAIT
        )
        async for attempt in attempts:
            with attempt:
                await self._write()

    async def _write(self) -> None:
        self._text = CitedText(self._asked.passages)
        async with aclosing(self._server.completion(self._model, self._asked.messages)) as pieces:
            async for piece in pieces:
                self._emit(self._text.feed(piece))

    def _emit(self, piece: str) -> None:
        if piece:
            self._emitted = True
            self._request.emit(piece)

    def _worth_a_retry(self, error: Exception) -> bool:
        """Only while nobody has seen a piece of the answer, and not when told to wait for long."""
        if self._emitted or not isinstance(error, Transient) or isinstance(error, TimedOut):
            return False
        return (error.retry_after or 0) <= _LONGEST_WAIT


class _Lookups(ThreadPoolExecutor):
    """Where asyncio resolves names. A lookup cannot be interrupted, so its end is not waited for."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - its base's signature
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def _about(text: str) -> int:
    """Tokens of ``text``, roughly."""
    return int(len(text) / _CHARACTERS_A_TOKEN) + 1


def generator(settings: Settings) -> OpenAIGenerator:
    """For GENERATOR=openai."""
    key = settings.generator_api_key
    server = ChatServer(
        (settings.generator_url or "").rstrip("/"),
        settings.generator_model,
        lambda: key.get_secret_value() if key else None,
        max_tokens=settings.generator_max_tokens,
        context_tokens=settings.generator_context_tokens,
        timeout=settings.generator_timeout,
    )
    return OpenAIGenerator(server)


def ollama_generator(settings: Settings) -> OpenAIGenerator:
    """For GENERATOR=ollama, by Ollama's own OpenAI-compatible endpoint."""
    server = ChatServer(
        f"{(settings.ollama_url or '').rstrip('/')}/v1",
        settings.ollama_model,
        max_tokens=settings.generator_max_tokens,
        context_tokens=settings.generator_context_tokens,
        timeout=settings.generator_timeout,
    )
    return OpenAIGenerator(server, name="ollama")
