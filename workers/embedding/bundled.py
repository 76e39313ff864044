"""all-MiniLM-L6-v2 in int8, on this machine's CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from rag.errors import ModelError
from rag.model import Embedding, Vector
from rag.text.scripts import model_vote
from rag.text.words import STOP_WORDS
from workers.bundled.models import MINILM
from workers.embedding.minilm import DIMENSION, MAX_TOKENS, encoded, open_tokenizer
from workers.embedding.projection import TOKEN_DIMENSION
from workers.embedding.session import Session, open_session

_SET_UP = "run `aegis setup`"
_FIRST_WORD = 1000
_STOP_WEIGHT = 0.15


class BundledEmbedder:
    """The ``Embedder`` port on the model that ``workers.embedding.build`` makes.

    A text's vectors depend on nothing but the text: one text per model call, since int8
    activations are scaled over everything in a call. Text after ``max_tokens`` is ignored.
    Opened on first use; usable in children forked later.
    """

    name = MINILM.name
    dimension = DIMENSION
    token_dimension = TOKEN_DIMENSION
    max_tokens = MAX_TOKENS
    independent = True

    def __init__(self, model_dir: Path, *, threads: int = 2) -> None:
        """``model_dir``: the folder given to ``build``. ``threads``: texts embedded at once."""
        self._model_dir = model_dir
        self._threads = threads

    @cached_property
    def recipe(self) -> str:
        return MINILM.files(self._model_dir).folder.name

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        if len(texts) < 2 or self._threads < 2:
            return [self._passage(text) for text in texts]
        self._model  # noqa: B018 - loads it once here, not once in every thread
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._passage, texts))

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        batch_ids = [self._ids(text) for text in texts]
        return [Embedding(*self._model.session.run(ids), self._model.token_weights[ids]) for ids in batch_ids]

    def vote(self, question: str) -> float:
        return model_vote(question)

    def warm(self) -> None:
        """Load the model and try it. ModelError when it is not built or its vectors are wrong."""
        close, far = "a cat sleeps on the sofa", "interest rates rose by a quarter"
        query, *passages = (
            self.embed_passages([text])[0].dense for text in ("the cat is asleep", close, far)
        )
        near, away = (float(query @ passage) for passage in passages)
        if not near > away + 0.2:  # false for NaN too
            raise ModelError(f"{MINILM.name} answers nonsense: remove {self._model_dir}, then {_SET_UP}")

    def _passage(self, text: str) -> Embedding:
        return Embedding(*self._model.session.run(self._ids(text)))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = encoded(self._model.tokenizer, text).ids[:MAX_TOKENS]
        return ids

    @cached_property
    def _model(self) -> "_Model":
        files = MINILM.files(self._model_dir)
        if not files.complete():
            raise ModelError(f"{MINILM.name} is not built, or not complete, in {files.folder}: {_SET_UP}")
        try:
            tokenizer = open_tokenizer(files.tokenizer.read_bytes())
            session = open_session(files.model)
        except Exception as error:
            raise ModelError(f"{files.folder} cannot be loaded ({error}): {_SET_UP}") from error
        return _Model(tokenizer, session, _token_weights(tokenizer))


@dataclass(frozen=True, slots=True)
class _Model:
    tokenizer: Tokenizer
    session: Session
    token_weights: Vector


def _token_weights(tokenizer: Tokenizer) -> Vector:
    """The weight of each token id in a question, in [0, 1].

    The vocabulary is ordered by frequency from ``_FIRST_WORD`` on. So by Zipf's law the
    logarithm of the rank stands for the inverse document frequency, which no worker knows.
    It is measurably no worse than the frequencies of the searched collection itself.
    """
    size = tokenizer.get_vocab_size()
    rank = np.maximum(np.arange(size) - _FIRST_WORD, 2)
    weights: Vector = np.minimum(np.log(rank) / np.log(size - _FIRST_WORD), 1).astype(np.float32)
    for token, identity in tokenizer.get_vocab().items():
        if token in STOP_WORDS or not any(map(str.isalnum, token)):
            weights[identity] = _STOP_WEIGHT
    return weights
