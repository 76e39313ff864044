"""A client of OpenAI's streamed chat completions: hosted servers, vLLM, llama.cpp, SGLang.

Protocol: https://platform.openai.com/docs/api-reference/chat; server-sent events whose data
is one JSON chunk each, then ``[DONE]``.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Transient, Unavailable, translated
from rag.telemetry import current_call
from rag.telemetry.tracing import trace_headers
from rag.web.retry_after import seconds_to_wait
from workers.generation.reasoning import Piece
from workers.responses import DRIVER_ERRORS, error_message

_CONNECT_TIMEOUT = 5.0
_LIST_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A server and how it is used.

    url: base, to which ``/chat/completions`` is appended.
    model: None stands for the only model that the server lists.
    api_key: called before every request, since a local server makes a new one at each start.
    max_tokens: most tokens of an answer. context_tokens: tokens of passages in a prompt.
    timeout: seconds for a whole answer. patience: seconds to wait for one that is starting.

    Its methods raise the errors of :func:`error_of`.
    """

    url: str
    model: str | None = None
    api_key: Callable[[], str | None] = lambda: None
    max_tokens: int = 512
    context_tokens: int = 3000
    timeout: float = 120.0
    patience: float = 0.0

    def available_model(self) -> str:
        """The model to name in calls, out of those that the server lists. ModelError when it has none."""
        with translated(DRIVER_ERRORS, self.url):
            response = httpx.get(f"{self.url}/models", headers=self._headers(), timeout=_LIST_TIMEOUT)
        if not response.is_success:
            raise error_of(self.url, response.status_code, response.headers, response.text)
        try:
            listed = [str(model["id"]) for model in response.json()["data"] or ()]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{self.url}/models lists no models: is this the base URL (…/v1)?") from error
        if self.model is None and len(listed) == 1:
            return listed[0]
        if self.model is not None and (self.model in listed or f"{self.model}:latest" in listed):
            return self.model
        todo = (
            f"not {self.model}: pull it there or name another" if self.model else "set GENERATOR_MODEL to one"
        )
        raise ModelError(f"{self.url} has {', '.join(listed) or 'no models'}; {todo}")

    async def completion(
        self, model: str, messages: Sequence[Mapping[str, str]]
    ) -> AsyncGenerator[Piece, None]:
        """The model's text as it arrives. Unavailable when the stream ends early."""
        body = {
            "model": model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "stream": True,
        }
        timeout = httpx.Timeout(self.timeout, connect=_CONNECT_TIMEOUT)
        with current_call.attempt("chat"), translated(DRIVER_ERRORS, self.url):
            async with (
                httpx.AsyncClient(timeout=timeout, headers=self._headers() | trace_headers()) as client,
                client.stream("POST", f"{self.url}/chat/completions", json=body) as response,
            ):
                if not response.is_success:
                    said = (await response.aread()).decode(errors="replace")
                    raise error_of(self.url, response.status_code, response.headers, said)
                written, first = 0, None
                async for piece in _pieces(response, self.url):
                    first, written = first or monotonic(), written + bool(piece.text or piece.reasoning)
                    yield piece
                # Servers of this schema send a piece for each token; the time of the first is the prompt's.
                current_call.note_generation(written - 1, monotonic() - (first or 0.0))

    def _headers(self) -> dict[str, str]:
        key = self.api_key()
        return {"Authorization": f"Bearer {key}"} if key else {}


async def _pieces(response: httpx.Response, url: str) -> AsyncIterator[Piece]:
    """The text of each chunk. Unavailable when the stream ends before the model has finished."""
    finished = False
    async for line in response.aiter_lines():
        kind, _, data = line.partition(":")
        if kind not in ("data", "error") or not data.strip():
            continue
        if data.strip() == "[DONE]":
            return
        chunk = _parse_chunk(data, url)
        if kind == "error" or "error" in chunk:
            detail = chunk.get("error", chunk)
            code = detail.get("code") if isinstance(detail, dict) else None
            raise error_of(url, code if isinstance(code, int) else 500, {}, json.dumps(chunk))
        for choice in chunk.get("choices") or ():
            finished = finished or choice.get("finish_reason") is not None
            delta = choice.get("delta") or {}
            # DeepSeek, llama.cpp and SGLang send `reasoning_content`; vLLM that or `reasoning`.
            reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
            yield Piece(delta.get("content") or "", reasoning, cut=choice.get("finish_reason") == "length")
    if not finished:
        raise Unavailable(f"{url}: the answer broke off")


def _parse_chunk(data: str, url: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{url} streams something other than chat completion chunks") from error
    if not isinstance(chunk, dict):
        raise ModelError(f"{url} streams something other than chat completion chunks")
    return chunk


_STATUSES: Mapping[int, tuple[type[AegisError], str]] = {
    400: (ModelError, "the request does not suit the model"),
    401: (ModelError, "the key is wrong: check GENERATOR_API_KEY"),
    402: (ModelError, "the account has no credit left"),
    403: (ModelError, "the key may not use this model: check GENERATOR_API_KEY and GENERATOR_MODEL"),
    404: (ModelError, "no such model or address: check the model's name and the base URL (…/v1)"),
    408: (TimedOut, "the server gave up waiting"),
    413: (ModelError, "the prompt is too long: lower GENERATOR_CONTEXT_TOKENS"),
    422: (ModelError, "the request does not suit the model"),
    429: (Overloaded, "too many requests"),
    503: (Unavailable, "the server is starting or overloaded"),
}


def error_of(url: str, status: int, headers: Mapping[str, str], body: str) -> AegisError:
    """The error for a response with ``status``, with the server's own message."""
    fallback = (Unavailable, "the server failed") if status >= 500 else (ModelError, "the server refused")
    kind, meaning = _STATUSES.get(status, fallback)
    message, said = f"{url}: {status}, {meaning}", error_message(body)
    if issubclass(kind, Transient):
        return kind(message, quote=said, retry_after=seconds_to_wait(headers))
    return kind(message, quote=said)
