"""One question put to a model: in time, cancelled at once, tried again while nobody saw a word."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass

import stamina

from rag.errors import ModelError, TimedOut, Transient
from rag.model import Answer, Hit
from rag.ports import GenerationRequest
from rag.prompting import NOT_FOUND
from workers.generation.thoughts import Piece, ThoughtfulText

_MOST_CHARACTERS = 1_000_000  # of thoughts and answer together; what comes behind them is cut off
_CANCEL_CHECK = 0.2  # seconds between looks at request.cancelled() while the model works
_LONGEST_WAIT = 2.0  # seconds; a longer Retry-After is the queue's business


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers. ``open``: begins the answer, once more at each attempt.

    model: its name, for messages and for what it tells of its ways. timeout: seconds for everything.
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
        self._text = self._blank()
        self._emitted = False

    def answer(self) -> Answer:
        """The whole answer; emitted pieces, joined, are its text.

        A cancelled request ends within a second, its connection closed, with what there is.
        Raises Unavailable or Overloaded (after a few tries, while nothing was emitted),
        TimedOut, and ModelError where somebody has to change something.
        """
        return asyncio.run(self._answer())

    async def _answer(self) -> Answer:
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
        limit = self._speaker.timeout
        try:
            async with asyncio.timeout(limit):
                await self._write_with_retries()
        except TimeoutError as error:
            raise TimedOut(f"{self._speaker.model}: no answer in GENERATOR_TIMEOUT, {limit:g} s") from error
        self._emit(self._text.close())
        if not self._text.answer().text:
            raise ModelError(
                f"{self._speaker.model} answered nothing: one that thinks needs more GENERATOR_MAX_TOKENS"
            )

    async def _write_with_retries(self) -> None:
        attempts = stamina.retry_context(
            on=self._worth_a_retry,
            attempts=self._speaker.attempts,
            wait_initial=0.2,
            wait_max=_LONGEST_WAIT,
            wait_jitter=0.2,
        )
        async for attempt in attempts:
            with attempt:
                await self._write()

    async def _write(self) -> None:
        self._text = self._blank()
        left = _MOST_CHARACTERS
        async with aclosing(self._speaker.open()) as pieces:
            async for piece in pieces:
                taken = piece.within(left)
                left -= len(taken.text) + len(taken.thought)
                self._emit(self._text.feed(taken))
                if taken is not piece:
                    return

    def _blank(self) -> ThoughtfulText:
        return ThoughtfulText(self._passages, self._speaker.model)

    def _emit(self, text: str) -> None:
        if text:
            self._emitted = True
            self._request.emit(text)

    def _worth_a_retry(self, error: Exception) -> bool:
        """Only while nobody has seen a piece of the answer, and not when told to wait for long."""
        if self._emitted or not isinstance(error, Transient) or isinstance(error, TimedOut):
            return False
        return (error.retry_after or 0) <= _LONGEST_WAIT


def tell_refusal(request: GenerationRequest, min_relevance: float) -> Answer | None:
    """ "Not found", emitted, where no passage is as relevant as ``min_relevance``; None otherwise."""
    if max((candidate.hit.score for candidate in request.passages), default=-1.0) >= min_relevance:
        return None
    request.emit(NOT_FOUND)
    return Answer(NOT_FOUND, (), found=False)


class _Lookups(ThreadPoolExecutor):
    """Where asyncio resolves names. A lookup cannot be interrupted, so its end is not waited for."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - its base's signature
        super().shutdown(wait=False, cancel_futures=cancel_futures)
