"""Embeddings by a model that Ollama runs: ``/api/embed``."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from itertools import count
from secrets import randbelow

import httpx
import numpy as np
import stamina
from ollama import Client

from rag.errors import ModelError, Overloaded, Unavailable
from rag.model import Embedding, Vector
from rag.settings import Settings
from rag.settings.whole import OLLAMA_PREFIX
from workers.ollama.refusals import ModelMissingError, TextTooLongError, reaching
from workers.ollama.replica import CONNECT_SECONDS, Replica
from workers.ollama.replicas import prepare, replicas

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
    model is a ModelError, so that nothing is left out unseen; a question is cut. Text without
    anything to read counts as a full stop.
    """

    token_dimension = None
    independent = True
    max_tokens = 2048
    """Of models as Ollama commonly runs them; the server alone knows its own."""

    def __init__(self, servers: Sequence[Replica], dimension: int, *, pull: bool = False) -> None:
        """``servers``: of one model. ``pull``: whether ``warm`` pulls it where it is missing."""
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
        return self._embedded(texts, cut=False)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts, cut=True)

    def warm(self) -> None:
        """Have the model embed a text. ModelError when it is missing or its vectors are too short."""
        asyncio.run(prepare(self._servers, pull=self._pull))
        self._in_turn(self._check_length)
        self.embed_queries(["ready"])

    def _embedded(self, texts: Sequence[str], *, cut: bool) -> list[Embedding]:
        readable = [_readable(text) for text in texts]
        calls = (readable[start : start + _TEXTS] for start in range(0, len(readable), _TEXTS))
        return [Embedding(vector) for call in calls for vector in self._vectors(call, cut=cut)]

    def _vectors(self, texts: Sequence[str], *, cut: bool) -> list[Vector]:
        def embed(server: Replica) -> list[Vector]:
            given = self._call(server, texts, cut=cut, dimension=self.dimension)
            if len(given) != len(texts):
                raise ModelError(f"{server.url} gave {len(given)} vectors for {len(texts)} texts")
            return [self._unit(server, vector) for vector in given]

        try:
            return self._in_turn(embed)
        except TextTooLongError as error:
            raise ModelError(f"{error}: lower CHUNK_TOKENS, or choose a model that reads more") from error

    def _in_turn(self, work: Callable[[Replica], list[Vector]]) -> list[Vector]:
        """What ``work`` gives on the first replica, beginning with the next one, that can do it."""
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

    def _check_length(self, server: Replica) -> list[Vector]:
        """Warn where the model's own vectors are longer than those that are asked for."""
        own = self._call(server, ["ready"], cut=True, dimension=None)
        if own and len(own[0]) > self.dimension:
            log.warning(
                "%s has %d dimensions, VECTOR_SIZE keeps %d: right for models trained for that alone",
                self.name,
                len(own[0]),
                self.dimension,
            )
        return own

    def _call(
        self, server: Replica, texts: Sequence[str], *, cut: bool, dimension: int | None
    ) -> list[Vector]:
        with reaching(server.url):
            answer = self._client(server.url).embed(
                server.model, texts, truncate=cut, dimensions=dimension, keep_alive=server.keep_alive
            )
        return [np.array(vector, dtype=np.float32) for vector in answer.embeddings]

    def _unit(self, server: Replica, vector: Vector) -> Vector:
        if vector.shape != (self.dimension,):
            raise ModelError(
                f"{server.url}: vectors of {server.model} have {len(vector)} dimensions, not "
                f"{self.dimension}: set VECTOR_SIZE to what the model gives"
            )
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if not np.isfinite(length) or length < _LEAST_LENGTH:
            raise ModelError(f"{server.url}: {server.model} gave a vector of NaN, infinity or zeros alone")
        unit: Vector = (vector / length).astype(np.float32)
        return unit

    def _client(self, url: str) -> Client:
        """One a process, since connections do not survive a fork."""
        key = (os.getpid(), url)
        if key not in self._clients:
            timeout = httpx.Timeout(_SECONDS, connect=CONNECT_SECONDS)
            self._clients[key] = Client(url, timeout=timeout, follow_redirects=False)
        return self._clients[key]


def _readable(text: str) -> str:
    """``text`` as UTF-8 can carry it, and not empty."""
    told = text.encode("utf-8", "replace").decode()
    return told if told.strip() else _NOTHING


def embedder(settings: Settings, model: str, dimension: int) -> OllamaEmbedder:
    """For a collection embedded by ``model``, which begins with ``OLLAMA_PREFIX``."""
    servers = replicas(settings, model.removeprefix(OLLAMA_PREFIX))
    return OllamaEmbedder(servers, dimension, pull=settings.ollama_pull)
