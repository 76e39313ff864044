"""One question to a model: with a time limit, cancelled at once, retried while nothing was shown."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass

import stamina

from rag.errors import ModelError, TimedOut, Transient
from rag.model import Answer, Hit
from rag.ports import GenerationRequest
from workers.generation.reasoning import Piece, ReasoningParser

_MAX_CHARACTERS = 1_000_000  # of reasoning and answer together; the rest is cut off
_CANCEL_CHECK = 0.2  # seconds between looks at request.cancelled() while the model works
_LONGEST_WAIT = 2.0  # seconds; after a longer Retry-After the queue delivers the job again


@dataclass(frozen=True, slots=True)
class Speaker:
    """The model that answers. ``open`` begins the answer; each attempt calls it.

    model: its name, for messages and to tell whether it reasons. timeout: seconds for all attempts.
    """

    model: str
    open: Callable[[], AsyncGenerator[Piece, None]]
    timeout: float
    attempts: int = 3


class Conversation:
    """What a speaker says to one request, as an answer that cites ``passages`` by number."""

    def __init__(self, speaker: Speaker, passages: tuple[Hit, ...], request: GenerationRequest) -> None:
        self._speaker = speaker
        self._passages = passages
        self._request = request
        self._text = ReasoningParser(passages, speaker.model)
        self._emitted = False

    def answer(self) -> Answer:
        """The whole answer; emitted pieces, joined, are its text.

        A cancelled request ends within a second, its connection closed, with the text so far.
        Raises Unavailable or Overloaded (after a few attempts, while nothing was emitted),
        TimedOut, and ModelError when an operator has to change something.
        """
        return asyncio.run(self._answer())

    async def _answer(self) -> Answer:
        asyncio.get_running_loop().set_default_executor(_LookupExecutor(thread_name_prefix="lookup"))
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
        limit = self._speaker.timeout
        try:
            async with asyncio.timeout(limit):
                async for attempt in stamina.retry_context(
                    on=self._worth_a_retry,
                    attempts=self._speaker.attempts,
                    wait_initial=0.2,
                    wait_max=_LONGEST_WAIT,
                    wait_jitter=0.2,
                ):
                    with attempt:
                        await self._write()
        except TimeoutError as error:
            raise TimedOut(f"{self._speaker.model}: no answer in GENERATOR_TIMEOUT, {limit:g} s") from error
        self._emit(self._text.close())
        if not self._text.answer().text:
            raise ModelError(
                f"{self._speaker.model} answered nothing: one that thinks needs more GENERATOR_MAX_TOKENS"
            )

    async def _write(self) -> None:
        self._text = ReasoningParser(self._passages, self._speaker.model)
        left = _MAX_CHARACTERS
        async with aclosing(self._speaker.open()) as pieces:
            async for piece in pieces:
                taken = piece.within(left)
                left -= len(taken.text) + len(taken.reasoning)
                self._emit(self._text.feed(taken))
                if taken is not piece:  # the rest was cut off
                    return

    def _emit(self, text: str) -> None:
        if text:
            self._emitted = True
            self._request.emit(text)

    def _worth_a_retry(self, error: Exception) -> bool:
        """Only while no piece of the answer was emitted, and not when the server asks for a long wait."""
        if self._emitted or not isinstance(error, Transient) or isinstance(error, TimedOut):
            return False
        return (error.retry_after or 0) <= _LONGEST_WAIT


class _LookupExecutor(ThreadPoolExecutor):
    """Resolves names for asyncio. A lookup cannot be interrupted, so shutdown does not wait for it."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - its base's signature
        super().shutdown(wait=False, cancel_futures=cancel_futures)
