"""Answers written by a model that Ollama runs, on the least busy of several replicas."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

from rag.errors import InvalidRequest, Overloaded, Transient, Unavailable
from rag.model import Answer
from rag.ports import GenerationRequest
from rag.redis.connection import connect
from rag.redis.slots import SLOT_SECONDS, Slots
from rag.settings import Settings
from rag.telemetry import current_call
from workers.generation.conversation import Conversation, Speaker
from workers.generation.prompting import Prompt, prompt
from workers.generation.reasoning import Piece
from workers.generation.refusals import refusal_of, refuse
from workers.ollama.errors import ModelMissingError
from workers.ollama.replica import Replica, prepare, replicas
from workers.tokens import estimated_tokens

_AWAY_SECONDS = 10.0
"""How long a replica that failed is not asked while there are others."""

_MODEL_MISSING_SECONDS = 60.0
_QUEUE_SECONDS = 20.0  # longest wait for a slot; after it the queue delivers the job again
_QUEUE_CHECK = 0.1
_RETRY_AFTER = 5.0

_INSTRUCTIONS = 256  # tokens, with the chat template's
_USUAL_QUESTION = 200  # tokens
_LEAST_PASSAGES = 200  # tokens

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """A model's context in tokens: passages ``shown`` at most, ``answer`` with reasoning, ``most`` in all.

    Ollama loads a model anew when ``num_ctx`` changes (server/sched.go, ``needsReload``), which
    takes seconds to minutes. So all questions of usual length get the same context.
    """

    shown: int
    answer: int
    most: int

    @property
    def usual(self) -> int:
        """The context for all but long questions: a power of two, or ``most``."""
        return self._rounded(_USUAL_QUESTION + self.shown)

    def context(self, question: str) -> int:
        """``num_ctx`` for ``question``: the usual one, or the next power of two that holds more."""
        return max(self.usual, self._rounded(estimated_tokens(question) + self.shown))

    def passages(self, question: str) -> int:
        """Tokens of passages that fit beside ``question``. InvalidRequest when it leaves no room."""
        left = self.context(question) - self.answer - _INSTRUCTIONS - estimated_tokens(question)
        if left < min(self.shown, _LEAST_PASSAGES):
            raise InvalidRequest(
                f"the question is too long for the model's context of {self.most} tokens: shorten it, "
                "or raise OLLAMA_MAX_CONTEXT"
            )
        return min(self.shown, left)

    def _rounded(self, asked: int) -> int:
        needed = _INSTRUCTIONS + asked + self.answer
        return min(self.most, 1 << (needed - 1).bit_length())


class OllamaGenerator:
    """The ``Generator`` port on several replicas that have the same model."""

    name = "ollama"
    reads_vectors = False

    def __init__(  # noqa: PLR0913 - where models run, and what they are told
        self,
        servers: Sequence[Replica],
        slots: Slots,
        window: Window,
        *,
        pull: bool = False,
        min_relevance: float = 0.0,
        metadata_fields: Sequence[str] = (),
    ) -> None:
        """``slots``: of the same ``servers``. ``pull``: whether ``warm`` pulls a missing model.

        ``min_relevance``: where no passage reaches it, the answer is "not found" without the model.
        ``metadata_fields``: of passages that the model is told.
        """
        self._servers = {server.url: server for server in servers}
        self._slots = slots
        self._window = window
        self._pull = pull
        self._min_relevance = min_relevance
        self._metadata_fields = metadata_fields

    def answer(self, request: GenerationRequest) -> Answer:
        """See :meth:`Conversation.answer`. InvalidRequest for a question longer than OLLAMA_MAX_CONTEXT."""
        if refusal := refusal_of(request, self._min_relevance, tuple(self._metadata_fields)):
            return refuse(request, refusal)
        context = self._window.context(request.question)
        budget = self._window.passages(request.question)
        hits = [candidate.hit for candidate in request.passages]
        asked = prompt(
            request.question,
            hits,
            budget=budget,
            count=estimated_tokens,
            metadata_fields=self._metadata_fields,
        )
        server = next(iter(self._servers.values()))
        attempts = _Attempts(self._servers, self._slots, asked, context, self._window.answer)
        speaker = Speaker(server.model, attempts.completion, server.timeout, attempts=2 + len(self._servers))
        return Conversation(speaker, asked.passages, request).answer()

    def warm(self) -> None:
        """Have the model loaded on at least one replica. Raises what :func:`prepare` does."""
        servers = tuple(self._servers.values())
        asyncio.run(prepare(servers, pull=self._pull, context=self._window.usual))


class _Attempts:
    """The attempts at one question: each on the least busy replica, until one answers."""

    def __init__(
        self, servers: Mapping[str, Replica], slots: Slots, asked: Prompt, context: int, most: int
    ) -> None:
        self._servers = servers
        self._slots = slots
        self._asked = asked
        self._context = context
        self._most = most
        self._without_model: set[str] = set()

    async def completion(self) -> AsyncGenerator[Piece, None]:
        """What one replica answers. One that fails is not asked again for a while."""
        async with _held_slot(self._slots) as url:
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
                self._without_model.add(url)
                self._slots.avoid(url, _MODEL_MISSING_SECONDS)
                if self._without_model >= self._servers.keys():
                    raise
                log.warning("another Ollama replica has to do: %s", error)
                # Transient, so that the next attempt asks another replica.
                raise Unavailable(error.for_logs, quote=error.quote) from error


@asynccontextmanager
async def _held_slot(slots: Slots) -> AsyncIterator[str]:
    """The replica to ask; its slot is held until the block ends."""
    holder = uuid4().hex
    since = monotonic()
    url = await _take_slot(slots, holder)
    current_call.note_queue(monotonic() - since)

    async def renew() -> None:
        while True:
            await asyncio.sleep(SLOT_SECONDS / 3)
            try:
                slots.renew(url, holder)
            except Transient as error:
                log.warning("the slot at %s may end too early: %s", url, error)

    renewal = asyncio.create_task(renew())
    try:
        yield url
    finally:
        renewal.cancel()
        try:
            slots.free(url, holder)
        except Transient as error:
            log.warning("the slot at %s is held for %g s more: %s", url, SLOT_SECONDS, error)


async def _take_slot(slots: Slots, holder: str) -> str:
    deadline = monotonic() + _QUEUE_SECONDS
    while True:
        try:
            return slots.take(holder)
        except Overloaded as error:
            if monotonic() > deadline:
                raise Overloaded(error.for_logs, quote=error.quote, retry_after=_RETRY_AFTER) from error
        await asyncio.sleep(_QUEUE_CHECK)


def generator(settings: Settings) -> OllamaGenerator:
    """For GENERATOR=ollama."""
    return OllamaGenerator(
        replicas(settings, settings.ollama_model),
        slots_of(settings),
        Window(settings.generator_context_tokens, settings.generator_max_tokens, settings.ollama_max_context),
        pull=settings.ollama_pull,
        min_relevance=settings.min_relevance or 0.0,
        metadata_fields=settings.context_metadata,
    )


def slots_of(settings: Settings) -> Slots:
    """The slots of the replicas in OLLAMA_URL."""
    return Slots(connect(settings), settings.ollama_replicas, settings.ollama_concurrency)
