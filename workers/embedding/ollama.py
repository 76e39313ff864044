"""Embeddings by a model that Ollama runs: ``/api/embed``."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from secrets import randbelow

import httpx
import numpy as np
import stamina
from ollama import Client

from rag.errors import ModelError, Overloaded, Unavailable
from rag.model import Embedding, Vector
from rag.settings import Settings
from rag.settings.derived import OLLAMA_PREFIX
from rag.telemetry import current_call
from rag.telemetry.tracing import add_traceparent
from workers.ollama.errors import ModelMissingError, TextTooLongError, ollama_errors
from workers.ollama.replica import CONNECT_SECONDS, Replica, prepare, replicas

_TEXTS = 16  # in a call; Ollama embeds them one by one
_SECONDS = 60.0  # that a call may take
_LONGEST_WAIT = 2.0
_NOTHING = "."
_LEAST_LENGTH = 1e-6

log = logging.getLogger(__name__)


class OllamaEmbedder:
    """The ``Embedder`` port on replicas that have the same model, asked in turn; no token vectors.

    Questions and passages are embedded alike. Vectors are asked for with ``dimension``
    dimensions: Ollama cuts longer ones, which suits models that were trained for it
    (Kusupati et al., "Matryoshka Representation Learning", 2022). A passage too long for the
    model is a ModelError, so that nothing is silently left out; a question is cut. Blank text
    counts as a full stop.
    """

    token_dimension = None
    independent = True
    max_tokens = 2048
    """Usual for models in Ollama; only the server knows its model's own limit."""

    def __init__(self, servers: Sequence[Replica], dimension: int, *, pull: bool = False) -> None:
        """``servers``: all for the same model. ``pull``: whether ``warm`` pulls it where it is missing."""
        self.name = f"{OLLAMA_PREFIX}{servers[0].model}"
        self.dimension = dimension
        self._servers = tuple(servers)
        self._pull = pull
        self._turns = count(randbelow(len(servers)))
        self._clients: dict[tuple[int, str], Client] = {}

    @property
    def recipe(self) -> str:
        return f"{self.dimension} dimensions"

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embed(texts, cut=False)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embed(texts, cut=True)

    def vote(self, question: str) -> float:  # noqa: ARG002 - it may read any language
        return 1.0

    def warm(self) -> None:
        """Embed a text. ModelError when the model is missing or its vectors are too short."""

        def check_length(server: Replica) -> list[Vector]:
            own = self._call(server, ["ready"], cut=True, dimension=None)
            if own and len(own[0]) > self.dimension:
                log.warning(
                    "%s has %d dimensions, VECTOR_SIZE keeps %d: right for models trained for that alone",
                    self.name,
                    len(own[0]),
                    self.dimension,
                )
            return own

        asyncio.run(prepare(self._servers, pull=self._pull))
        self._try_replicas(check_length)
        self.embed_queries(["ready"])

    def _embed(self, texts: Sequence[str], *, cut: bool) -> list[Embedding]:
        clean = (text.encode("utf-8", "replace").decode() for text in texts)  # '?' for lone surrogates
        readable = [text if text.strip() else _NOTHING for text in clean]
        vectors: list[Vector] = []
        for start in range(0, len(readable), _TEXTS):
            call = partial(self._unit_vectors, texts=readable[start : start + _TEXTS], cut=cut)
            try:
                vectors += self._try_replicas(call)
            except TextTooLongError as error:
                todo = "lower CHUNK_TOKENS, or choose a model that reads more"
                raise ModelError(f"{error.for_logs}: {todo}", quote=error.quote) from error
        return [Embedding(vector) for vector in vectors]

    def _try_replicas(self, work: Callable[[Replica], list[Vector]]) -> list[Vector]:
        """The result of ``work`` on the first replica that can do it, beginning with the next in turn."""
        for attempt in stamina.retry_context(
            on=(Unavailable, Overloaded, ModelMissingError),
            attempts=len(self._servers) + 1,
            wait_initial=0.1,
            wait_max=_LONGEST_WAIT,
            wait_jitter=0.2,
        ):
            with attempt:
                return work(self._servers[next(self._turns) % len(self._servers)])
        raise Unavailable(f"no replica has embedded by {self.name}")

    def _unit_vectors(self, server: Replica, texts: Sequence[str], *, cut: bool) -> list[Vector]:
        vectors = self._call(server, texts, cut=cut, dimension=self.dimension)
        if len(vectors) != len(texts):
            raise ModelError(f"{server.url} gave {len(vectors)} vectors for {len(texts)} texts")
        units: list[Vector] = []
        for vector in vectors:
            if vector.shape != (self.dimension,):
                raise ModelError(
                    f"{server.url}: vectors of {server.model} have {len(vector)} dimensions, not "
                    f"{self.dimension}: set VECTOR_SIZE to what the model gives"
                )
            length = float(np.linalg.norm(vector.astype(np.float64)))
            if not np.isfinite(length) or length < _LEAST_LENGTH:
                raise ModelError(
                    f"{server.url}: {server.model} gave a vector of NaN, infinity or zeros alone"
                )
            units.append((vector / length).astype(np.float32))
        return units

    def _call(
        self, server: Replica, texts: Sequence[str], *, cut: bool, dimension: int | None
    ) -> list[Vector]:
        key = (os.getpid(), server.url)  # connections do not survive a fork, so each process has its own
        if key not in self._clients:
            timeout = httpx.Timeout(_SECONDS, connect=CONNECT_SECONDS)
            hooks = {"request": [add_traceparent]}
            self._clients[key] = Client(
                server.url, timeout=timeout, follow_redirects=False, event_hooks=hooks
            )
        with current_call.attempt("embed"), ollama_errors(server.url):
            answer = self._clients[key].embed(
                server.model, texts, truncate=cut, dimensions=dimension, keep_alive=server.keep_alive
            )
        current_call.note_tokens_read(answer.prompt_eval_count or 0)
        return [np.array(vector, dtype=np.float32) for vector in answer.embeddings]


def embedder(settings: Settings, model: str, dimension: int) -> OllamaEmbedder:
    """The embedder for a collection of ``model``, whose name begins with ``OLLAMA_PREFIX``."""
    servers = replicas(settings, model.removeprefix(OLLAMA_PREFIX))
    return OllamaEmbedder(servers, dimension, pull=settings.ollama_pull)
