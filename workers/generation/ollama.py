"""Answers written by a model that Ollama runs, on the least busy of several replicas."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from uuid import uuid4

from rag.errors import Overloaded, Transient, Unavailable
from rag.model import Answer
from rag.ports import GenerationRequest
from rag.prompting import Prompt, prompt
from rag.settings import Settings
from rag.stores.redis import connect
from rag.stores.slots import SLOT_SECONDS, Slots
from workers.generation.conversation import Conversation, Speaker, tell_refusal
from workers.generation.thoughts import Piece
from workers.generation.window import Window
from workers.ollama.refusals import ModelMissingError
from workers.ollama.replica import Replica
from workers.ollama.replicas import prepare, replicas
from workers.tokens import estimated

_AWAY_SECONDS = 10.0
"""How long a replica that failed is left alone while there are others."""

_LACKING_SECONDS = 60.0
_QUEUE_SECONDS = 20.0  # waiting for a slot; longer is the queue's business
_QUEUE_CHECK = 0.1
_RETRY_AFTER = 5.0

log = logging.getLogger(__name__)


class OllamaGenerator:
    """The ``Generator`` port on several replicas that have the same model."""

    name = "ollama"
    reads_vectors = False

    def __init__(
        self,
        servers: Sequence[Replica],
        slots: Slots,
        window: Window,
        *,
        pull: bool = False,
        min_relevance: float = 0.0,
    ) -> None:
        """``slots``: of these very servers. ``pull``: whether ``warm`` pulls a missing model.

        ``min_relevance``: best passages under it are "not found", and the model is not asked.
        """
        self._servers = {server.url: server for server in servers}
        self._slots = slots
        self._window = window
        self._pull = pull
        self._min_relevance = min_relevance

    def answer(self, request: GenerationRequest) -> Answer:
        """See :meth:`Conversation.answer`. InvalidRequest for a question longer than OLLAMA_MAX_CONTEXT."""
        if refusal := tell_refusal(request, self._min_relevance):
            return refusal
        context = self._window.context(request.question)
        budget = self._window.passages(request.question)
        hits = [candidate.hit for candidate in request.passages]
        asked = prompt(request.question, hits, budget=budget, count=estimated)
        server = next(iter(self._servers.values()))
        turn = _Turn(self._servers, self._slots, asked, context, self._window.answer)
        speaker = Speaker(server.model, turn.completion, server.timeout, attempts=2 + len(self._servers))
        return Conversation(speaker, asked.passages, request).answer()

    def warm(self) -> None:
        """The model is there and loaded, on one replica at least. Raises what :func:`prepare` does."""
        servers = tuple(self._servers.values())
        asyncio.run(prepare(servers, pull=self._pull, context=self._window.usual))


class _Turn:
    """One question on its way from replica to replica until one answers it."""

    def __init__(
        self, servers: Mapping[str, Replica], slots: Slots, asked: Prompt, context: int, most: int
    ) -> None:
        self._servers = servers
        self._slots = slots
        self._asked = asked
        self._context = context
        self._most = most
        self._lacking: set[str] = set()

    async def completion(self) -> AsyncGenerator[Piece, None]:
        """What one replica says; it is left alone for a while if it fails."""
        async with self._slot() as url:
            words = self._servers[url].completion(
                self._asked.messages, context=self._context, most=self._most
            )
            try:
                async with aclosing(words):
                    async for piece in words:
                        yield piece
            except Transient as error:
                self._slots.avoid(url, error.retry_after or _AWAY_SECONDS)
                raise
            except ModelMissingError as error:
                self._turn_away_from(url, error)

    def _turn_away_from(self, url: str, error: ModelMissingError) -> None:
        """Another replica may have the model; ModelMissingError when none has."""
        self._lacking.add(url)
        self._slots.avoid(url, _LACKING_SECONDS)
        if self._lacking >= self._servers.keys():
            raise error
        log.warning("another Ollama replica has to do: %s", error)
        raise Unavailable(str(error)) from error

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[str]:
        """The replica to ask, held until the block ends."""
        holder = uuid4().hex
        url = await self._take(holder)
        renewal = asyncio.create_task(self._renew(url, holder))
        try:
            yield url
        finally:
            renewal.cancel()
            self._free(url, holder)

    async def _take(self, holder: str) -> str:
        deadline = monotonic() + _QUEUE_SECONDS
        while True:
            try:
                return self._slots.take(holder)
            except Overloaded as error:
                if monotonic() > deadline:
                    raise Overloaded(str(error), retry_after=_RETRY_AFTER) from error
            await asyncio.sleep(_QUEUE_CHECK)

    async def _renew(self, url: str, holder: str) -> None:
        while True:
            await asyncio.sleep(SLOT_SECONDS / 3)
            try:
                self._slots.renew(url, holder)
            except Transient as error:
                log.warning("the slot at %s may end too early: %s", url, error)

    def _free(self, url: str, holder: str) -> None:
        try:
            self._slots.free(url, holder)
        except Transient as error:
            log.warning("the slot at %s is held for %g s more: %s", url, SLOT_SECONDS, error)


def generator(settings: Settings) -> OllamaGenerator:
    """For GENERATOR=ollama."""
    return OllamaGenerator(
        replicas(settings, settings.ollama_model),
        Slots(connect(settings), settings.ollama_replicas, settings.ollama_concurrency),
        Window(settings.generator_context_tokens, settings.generator_max_tokens, settings.ollama_max_context),
        pull=settings.ollama_pull,
        min_relevance=settings.min_relevance or 0.0,
    )
