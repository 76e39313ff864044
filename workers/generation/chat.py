"""Any server that speaks OpenAI's chat completions, streamed: hosted ones, vLLM, llama.cpp, SGLang.

Protocol: https://platform.openai.com/docs/api-reference/chat; server-sent events whose data
is a JSON chunk each, then ``[DONE]``.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from rag.errors import AegisError, ModelError, Unavailable, translated
from workers.generation.refusals import refusal
from workers.generation.thoughts import Piece
from workers.responses import DRIVER_ERRORS

_CONNECT_TIMEOUT = 5.0
_LIST_TIMEOUT = 10.0


def _no_key() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A server and how it is used.

    url: base, to which ``/chat/completions`` is appended.
    model: None stands for the only model that the server lists.
    api_key: asked before every call, since a local server makes a new one at each start.
    max_tokens: most tokens of an answer. context_tokens: tokens of passages in a prompt.
    timeout: seconds for a whole answer. patience: seconds to wait for one that is starting.

    Its methods raise what ``workers.generation.refusals`` makes of a failure.
    """

    url: str
    model: str | None = None
    api_key: Callable[[], str | None] = _no_key
    max_tokens: int = 512
    context_tokens: int = 3000
    timeout: float = 120.0
    patience: float = 0.0

    def available_model(self) -> str:
        """The model to name in calls, out of those that the server lists. ModelError for none."""
        listed = self._listed_models()
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
        """The model's words as they come. Unavailable when they break off."""
        body = {
            "model": model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "stream": True,
        }
        timeout = httpx.Timeout(self.timeout, connect=_CONNECT_TIMEOUT)
        with translated(DRIVER_ERRORS, self.url):
            async with (
                httpx.AsyncClient(timeout=timeout, headers=self._headers()) as client,
                client.stream("POST", f"{self.url}/chat/completions", json=body) as response,
            ):
                if not response.is_success:
                    said = (await response.aread()).decode(errors="replace")
                    raise refusal(self.url, response.status_code, response.headers, said)
                async for piece in _pieces(response, self.url):
                    yield piece

    def _listed_models(self) -> list[str]:
        with translated(DRIVER_ERRORS, self.url):
            response = httpx.get(f"{self.url}/models", headers=self._headers(), timeout=_LIST_TIMEOUT)
        if not response.is_success:
            raise refusal(self.url, response.status_code, response.headers, response.text)
        try:
            return [str(model["id"]) for model in response.json()["data"] or ()]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{self.url}/models lists no models: is this the base URL (…/v1)?") from error

    def _headers(self) -> dict[str, str]:
        key = self.api_key()
        return {"Authorization": f"Bearer {key}"} if key else {}


async def _pieces(response: httpx.Response, url: str) -> AsyncIterator[Piece]:
    """What each chunk says. Unavailable when the stream ends before the model did."""
    finished = False
    async for line in response.aiter_lines():
        kind, _, data = line.partition(":")
        if kind not in ("data", "error") or not data.strip():
            continue
        if data.strip() == "[DONE]":
            return
        chunk = _parsed(data, url)
        if kind == "error" or "error" in chunk:
            raise _error_in_stream(url, chunk)
        for choice in chunk.get("choices") or ():
            finished = finished or choice.get("finish_reason") is not None
            yield _piece(choice)
    if not finished:
        raise Unavailable(f"{url}: the answer broke off")


def _piece(choice: Mapping[str, Any]) -> Piece:
    """``reasoning_content`` by DeepSeek, llama.cpp, SGLang and vLLM, which also says ``reasoning``."""
    delta = choice.get("delta") or {}
    thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
    return Piece(delta.get("content") or "", thought, cut=choice.get("finish_reason") == "length")


def _parsed(data: str, url: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{url} streams something other than chat completion chunks") from error
    if not isinstance(chunk, dict):
        raise ModelError(f"{url} streams something other than chat completion chunks")
    return chunk


def _error_in_stream(url: str, chunk: dict[str, Any]) -> AegisError:
    detail = chunk.get("error", chunk)
    code = detail.get("code") if isinstance(detail, dict) else None
    return refusal(url, code if isinstance(code, int) else 500, {}, json.dumps(chunk))
