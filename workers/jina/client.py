"""Calls to one server of Jina's schema: paced, tried again, counted."""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import httpx
import stamina
from pydantic import ValidationError

from rag.errors import ModelError, Overloaded, TimedOut, Transient, translated
from rag.model import Json
from rag.settings import Settings
from rag.stores.endpoint import Admission, CircuitOpen, Endpoint
from rag.stores.redis import connect
from rag.stores.usage import TokenUsage
from workers.jina.batches import BatchLimits
from workers.jina.refusals import refusal
from workers.jina.schema import Answer
from workers.loop import LoopThread
from workers.responses import DRIVER_ERRORS

T = TypeVar("T")
A = TypeVar("A", bound=Answer)

_ATTEMPTS = 4
_PATIENCE = 120.0  # seconds; after them, a document's next attempt is the queue's business
_LONGEST_WAIT = 5.0  # seconds between two attempts, but for what the server itself asks for
_CONNECT_TIMEOUT = 5.0
_AT_ONCE = 0.01  # seconds: a refused call waits at its next admission, with everybody


class Crowded(Overloaded):
    """The server lets itself be called too seldom for the call to go within its time."""


class UnusableError(ModelError):
    """An answer that says yes and does not hold what was asked for."""


@dataclass(frozen=True, slots=True)
class JinaServer:
    """A server and how it is used; times in seconds.

    url: base, to which ``/embeddings`` and ``/rerank`` are appended.
    connections: open at most. concurrency: calls under way at most. timeout: of one call.
    patience, urgent_patience: in which a call, and an urgent one, may be begun (again).
    """

    url: str
    api_key: str | None
    connections: int
    concurrency: int
    timeout: float
    patience: float
    urgent_patience: float

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True, slots=True)
class Call(Generic[A, T]):
    """A POST of ``body`` to ``path``, whose answer ``read`` makes something of (or UnusableError).

    ``tokens``: about how many it takes. ``purpose``: what they are counted under.
    ``urgent``: somebody waits for it; it goes before bulk work.
    """

    path: str
    body: Json
    answer: type[A]
    read: Callable[[A], T]
    tokens: int
    purpose: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class _Process:
    """What does not survive a fork: the loop, and the connections that belong to it."""

    http: httpx.AsyncClient
    slots: asyncio.Semaphore
    loop: LoopThread = field(default_factory=lambda: LoopThread("jina"))
    pid: int = field(default_factory=os.getpid)


class JinaClient:
    """One pool of connections a process, made on first use; safe for threads and for forks."""

    def __init__(self, server: JinaServer, endpoint: Endpoint, usage: TokenUsage) -> None:
        """``endpoint``: what all workers together know of the server."""
        self.server = server
        self._endpoint = endpoint
        self._usage = usage
        self._process: _Process | None = None
        self._making = Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which may :meth:`post`; ended when the caller is interrupted."""
        return self._here().loop.run(work)

    async def post(self, call: Call[A, T]) -> T:
        """What ``call.read`` makes of the answer.

        Tried again, with growing pauses and as the server asks, while that may help and the time
        lasts. Raises Unavailable (at once while the circuit is open), Overloaded, TimedOut,
        OversizeError, and ModelError where somebody has to change something.
        """
        patience = self.server.urgent_patience if call.urgent else self.server.patience
        attempts = stamina.retry_context(
            on=lambda error: _worth_a_retry(error, urgent=call.urgent),
            attempts=_ATTEMPTS,
            timeout=patience,
            wait_max=_LONGEST_WAIT,
        )
        async with self._here().slots:
            latest = monotonic() + patience
            async for attempt in attempts:
                with attempt:
                    return await self._send(call, await self._admit(call, latest))
        raise AssertionError("the last attempt raises")

    async def _admit(self, call: Call[A, T], latest: float) -> Admission:
        while True:
            allowed = await asyncio.to_thread(self._endpoint.enter, call.tokens, urgent=call.urgent)
            if isinstance(allowed, Admission):
                return allowed
            if monotonic() + allowed > latest:
                raise Crowded(
                    f"{self.server.url} limits our calls: the next may go in {allowed:.0f} s",
                    retry_after=allowed,
                )
            await asyncio.sleep(allowed * random.uniform(1.0, 1.2))  # noqa: S311 - jitter

    async def _send(self, call: Call[A, T], admission: Admission) -> T:
        try:
            answer = await self._answered(call)
        except Overloaded as error:
            await asyncio.to_thread(self._endpoint.note_refusal, admission, error.retry_after)
            raise
        except Transient:
            await asyncio.to_thread(self._endpoint.note_failure)
            raise
        except ModelError:
            await asyncio.to_thread(self._endpoint.note_answer, admission, 0)
            raise
        await asyncio.to_thread(self._count, call, admission, answer.usage.total_tokens)
        return call.read(answer)

    async def _answered(self, call: Call[A, T]) -> A:
        url = self.server.url
        with translated(DRIVER_ERRORS, url):
            response = await self._here().http.post(call.path, json=call.body)
        if not response.is_success:
            raise refusal(url, response)
        try:
            return call.answer.model_validate_json(response.content)
        except ValidationError as error:
            raise UnusableError(f"{url}{call.path} answers something other than Jina's schema") from error

    def _count(self, call: Call[A, T], admission: Admission, tokens: int) -> None:
        self._endpoint.note_answer(admission, tokens or admission.tokens)
        self._usage.add(call.body["model"], call.purpose, tokens)

    def _here(self) -> _Process:
        with self._making:
            if self._process is None or self._process.pid != os.getpid():
                self._process = _opened(self.server)
            return self._process


def _opened(server: JinaServer) -> _Process:
    http = httpx.AsyncClient(
        base_url=server.url,
        headers=server.headers,
        limits=httpx.Limits(max_connections=server.connections, max_keepalive_connections=server.connections),
        timeout=httpx.Timeout(server.timeout, connect=min(server.timeout, _CONNECT_TIMEOUT)),
    )
    return _Process(http, asyncio.Semaphore(server.concurrency))


def _worth_a_retry(error: Exception, *, urgent: bool) -> bool | float:
    """Whether to try again, or in how many seconds."""
    if isinstance(error, CircuitOpen | Crowded) or (urgent and isinstance(error, TimedOut)):
        return False
    if isinstance(error, Overloaded):
        return _AT_ONCE
    return isinstance(error, Transient | UnusableError)


def client(settings: Settings) -> JinaClient:
    """For JINA_BASE_URL, or Jina's own server, as the settings describe it."""
    key = settings.jina_api_key
    server = JinaServer(
        url=settings.jina_url,
        api_key=key.get_secret_value() if key else None,
        connections=settings.connection_pool_size,
        concurrency=min(settings.jina_concurrency, settings.connection_pool_size),
        timeout=settings.jina_timeout,
        patience=min(_PATIENCE, settings.stage_timeout / 4),
        urgent_patience=max(0.0, settings.interactive_timeout - settings.jina_timeout) * 2 / 3,
    )
    redis = connect(settings)
    endpoint = Endpoint(redis, server.url, server.api_key or "", probe_seconds=server.timeout + 1)
    return JinaClient(server, endpoint, TokenUsage(redis))


def batch_limits(settings: Settings) -> BatchLimits:
    return BatchLimits(tokens=settings.jina_batch_tokens, texts=settings.jina_batch_texts)


def wait_for_server(attempt: Callable[[], object], *, patience: float) -> None:
    """Do ``attempt`` until the server answers; its last error when that takes over ``patience`` seconds."""
    for trial in stamina.retry_context(on=Transient, attempts=None, timeout=patience, wait_max=2.0):
        with trial:
            attempt()
