"""all-MiniLM-L6-v2 on onnxruntime, the same for every program of this folder."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MAX_TOKENS = 256  # with [CLS] and [SEP]


class Encoder:
    """Turns texts into vectors of 384 numbers and of unit length.

    A processor core encodes one text at a time. This is the fastest way for these graphs on a CPU: no text
    is padded to the length of another.
    """

    def __init__(self, model: Path, tokenizer: Path) -> None:
        """``model``: an ONNX file with the input ``ids`` and the output ``dense``."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in the same order."""
        return list(self._pool.map(self._encode_one, texts))

    def _encode_one(self, text: str) -> list[float]:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        (dense,) = self._session.run(["dense"], {"ids": ids})
        vector: list[float] = dense[0].tolist()
        return vector
