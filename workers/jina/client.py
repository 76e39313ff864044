"""Calls to one server of Jina's schema: rate-limited, retried, their tokens counted."""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import httpx
import stamina
from pydantic import ValidationError
from redis import Redis

from rag.errors import ModelError, Overloaded, TimedOut, Transient, translated
from rag.model import Json
from rag.redis.connection import connect
from rag.redis.rate_limiter import Admission, CircuitOpen, RateLimiter
from rag.redis.token_usage import TokenUsage
from rag.settings import Settings
from rag.telemetry import current_call
from rag.telemetry.tracing import add_traceparent_async
from workers.jina.answers import Answer, UnusableError
from workers.jina.batches import BatchLimits
from workers.jina.errors import error_of
from workers.loop import LoopThread
from workers.responses import DRIVER_ERRORS

T = TypeVar("T")
A = TypeVar("A", bound=Answer)

_ATTEMPTS = 4
_PATIENCE = 120.0  # seconds; after them the queue delivers a document's job again
_LONGEST_WAIT = 5.0  # seconds between two attempts, unless the server itself asks for more
_CONNECT_TIMEOUT = 5.0
_AT_ONCE = 0.01  # seconds: the rate limiter makes a refused call wait, together with all others


class Crowded(Overloaded):
    """The rate limit does not let the call go within its time."""


@dataclass(frozen=True, slots=True)
class JinaServer:
    """A server and how it is used; times in seconds.

    url: base, to which ``/embeddings`` and ``/rerank`` are appended.
    connections: most open ones. concurrency: most calls at once. timeout: of one call.
    patience, urgent_patience: within which a call, or an urgent one, may begin an attempt.
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
    """A POST of ``body`` to ``path``. ``read`` makes the result of its answer, or raises UnusableError.

    ``tokens``: an estimate of its cost. ``purpose``: under which they are counted.
    ``urgent``: a user waits for it, so it goes before bulk work.
    """

    path: str
    body: Json
    answer: type[A]
    read: Callable[[A], T]
    tokens: int
    purpose: str
    urgent: bool


class _Process:
    """What does not survive a fork: an event loop, and the connections that belong to it."""

    def __init__(self, server: JinaServer) -> None:
        self.pid = os.getpid()
        self.loop = LoopThread("jina")
        self.slots = asyncio.Semaphore(server.concurrency)
        most = server.connections
        self.http = httpx.AsyncClient(
            base_url=server.url,
            headers=server.headers,
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            timeout=httpx.Timeout(server.timeout, connect=min(server.timeout, _CONNECT_TIMEOUT)),
            event_hooks={"request": [add_traceparent_async]},
        )


class JinaClient:
    """One pool of connections per process, made on first use; safe for threads and for forks."""

    def __init__(self, server: JinaServer, limiter: RateLimiter, usage: TokenUsage) -> None:
        """``limiter``: shared by all workers."""
        self.server = server
        self._limiter = limiter
        self._usage = usage
        self._process: _Process | None = None
        self._making = Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which may call :meth:`post`; cancelled when the caller is interrupted."""
        return self._this_process().loop.run(work)

    async def post(self, call: Call[A, T]) -> T:
        """What ``call.read`` makes of the answer.

        Retries, with growing pauses and as the server asks, while that may help and the time
        lasts. Raises Unavailable (at once while the circuit is open), Overloaded, TimedOut,
        OversizeError, and ModelError when an operator has to change something.
        """

        def worth_a_retry(error: Exception) -> bool | float:
            if isinstance(error, CircuitOpen | Crowded) or (call.urgent and isinstance(error, TimedOut)):
                return False
            return _AT_ONCE if isinstance(error, Overloaded) else isinstance(error, Transient | UnusableError)

        patience = self.server.urgent_patience if call.urgent else self.server.patience
        attempts = stamina.retry_context(
            on=worth_a_retry, attempts=_ATTEMPTS, timeout=patience, wait_max=_LONGEST_WAIT
        )
        since = monotonic()
        async with self._this_process().slots:
            latest = monotonic() + patience
            async for attempt in attempts:
                with attempt:
                    since = since if attempt.num == 1 else monotonic()
                    admission = await self._admit(call, latest)
                    current_call.note_queue(monotonic() - since)
                    return await self._send(call, admission)
        raise AssertionError("the last attempt raises")

    async def _admit(self, call: Call[A, T], latest: float) -> Admission:
        while True:
            allowed = await asyncio.to_thread(self._limiter.enter, call.tokens, urgent=call.urgent)
            if isinstance(allowed, Admission):
                return allowed
            if monotonic() + allowed > latest:
                raise Crowded(
                    f"{self.server.url} limits our calls: the next may go in {allowed:.0f} s",
                    retry_after=allowed,
                )
            await asyncio.sleep(allowed * random.uniform(1.0, 1.2))  # noqa: S311 - jitter

    async def _send(self, call: Call[A, T], admission: Admission) -> T:
        """Send the call, and tell the rate limiter how it went."""
        try:
            answer = await self._request(call)
        except Overloaded as error:
            await asyncio.to_thread(self._limiter.note_refusal, admission, error.retry_after)
            raise
        except Transient:
            await asyncio.to_thread(self._limiter.note_failure)
            raise
        except ModelError:
            await asyncio.to_thread(self._limiter.note_answer, admission, 0)
            raise
        tokens = answer.usage.total_tokens
        current_call.note_tokens_read(tokens)
        await asyncio.to_thread(self._limiter.note_answer, admission, tokens or admission.tokens)
        await asyncio.to_thread(self._usage.add, call.body["model"], call.purpose, tokens)
        return call.read(answer)

    async def _request(self, call: Call[A, T]) -> A:
        url = self.server.url
        with current_call.attempt(call.path.removeprefix("/")):
            with translated(DRIVER_ERRORS, url):
                response = await self._this_process().http.post(call.path, json=call.body)
            if not response.is_success:
                raise error_of(url, response)
            try:
                return call.answer.model_validate_json(response.content)
            except ValidationError as error:
                raise UnusableError(f"{url}{call.path} answers something other than Jina's schema") from error

    def _this_process(self) -> _Process:
        with self._making:
            if self._process is None or self._process.pid != os.getpid():
                self._process = _Process(self.server)
            return self._process


def client(settings: Settings) -> JinaClient:
    """A client of JINA_BASE_URL, or of Jina's own server, as the settings describe it."""
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
    return JinaClient(server, limiter_of(settings, redis), TokenUsage(redis))


def limiter_of(settings: Settings, redis: Redis) -> RateLimiter:
    """The rate limiter and circuit breaker of the server that :func:`client` calls."""
    key = settings.jina_api_key
    account = key.get_secret_value() if key else ""
    return RateLimiter(redis, settings.jina_url, account, probe_seconds=settings.jina_timeout + 1)


def batch_limits(settings: Settings) -> BatchLimits:
    return BatchLimits(tokens=settings.jina_batch_tokens, texts=settings.jina_batch_texts)


def wait_for_server(attempt: Callable[[], object], *, patience: float) -> None:
    """Repeat ``attempt`` until the server answers. Raises its last error after ``patience`` seconds."""
    for trial in stamina.retry_context(on=Transient, attempts=None, timeout=patience, wait_max=2.0):
        with trial:
            attempt()
