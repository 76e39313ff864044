"""multilingual-e5-small in int8, on this machine's CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.models import E5
from workers.bundled.session import open_runtime
from workers.embedding.e5.tokenizer import Use, token_ids

if TYPE_CHECKING:  # only workers.bundled.session may load it: that turns its telemetry off first
    import onnxruntime

_SET_UP = f"set EMBEDDING_MODEL={E5.name} and run `aegis setup`"


class E5Model:
    """Texts to their vectors, (384,) float32 of unit length.

    A text's vector depends on nothing but the text: one text a call, since int8 activations are scaled over
    everything in a call. Opened on first use; usable in children forked later.
    """

    def __init__(self, model_dir: Path, *, threads: int) -> None:
        """``model_dir``: the folder given to ``build``. ``threads``: texts embedded at once."""
        self._model_dir = model_dir
        self._threads = threads

    @property
    def folder(self) -> Path:
        return E5.files(self._model_dir).folder

    def vectors(self, use: Use, texts: Sequence[str]) -> list[Vector]:
        """One a text, in order. ModelError when the model is not built."""
        tokenizer, session = self._model
        batch = [token_ids(tokenizer, use, text) for text in texts]
        if len(batch) < 2 or self._threads < 2:
            return [dense_of(session, ids) for ids in batch]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(lambda ids: dense_of(session, ids), batch))

    @cached_property
    def _model(self) -> "tuple[Tokenizer, onnxruntime.InferenceSession]":
        files = E5.files(self._model_dir)
        if not files.complete():
            raise ModelError(f"{E5.name} is not built, or not complete, in {files.folder}: {_SET_UP}")
        try:
            return Tokenizer.from_buffer(files.tokenizer.read_bytes()), open_runtime(files.model)
        except Exception as error:
            raise ModelError(f"{files.folder} cannot be loaded ({error}): {_SET_UP}") from error


def dense_of(session: "onnxruntime.InferenceSession", ids: Sequence[int]) -> Vector:
    """``ids`` with the tokens around the text to its vector."""
    (dense,) = session.run(["dense"], {"ids": np.array([ids], dtype=np.int64)})
    vector: Vector = dense[0]
    return vector
