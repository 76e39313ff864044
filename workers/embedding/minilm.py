"""all-MiniLM-L6-v2: its shape, and its tokenizer, a copy of the released file in this package."""

from hashlib import sha256
from importlib.resources import files

from tokenizers import Encoding, Tokenizer

from rag.errors import ModelError
from workers.bundled.models import MINILM, TOKENIZER

DIMENSION = 384
LAYERS = 6
MAX_TOKENS = 254
"""Tokens of text that the model was trained to see: 256 with [CLS] and [SEP]."""


def tokenizer_file() -> bytes:
    """The released ``tokenizer.json``, for :func:`open_tokenizer`. ModelError when it is another file."""
    data = files("workers.embedding").joinpath("vendor", TOKENIZER).read_bytes()
    if sha256(data).hexdigest() != MINILM.digests[TOKENIZER]:
        raise ModelError(f"{TOKENIZER} is not the one that was released: install this version of Aegis again")
    return data


def tokenizer() -> Tokenizer:
    """The tokenizer without truncation and padding. It needs no built model."""
    return open_tokenizer(tokenizer_file())


def open_tokenizer(definition: bytes) -> Tokenizer:
    """The tokenizer without the truncation and padding at 128 that its file asks for."""
    tokenizer = Tokenizer.from_buffer(definition)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encoded(tokenizer: Tokenizer, text: str) -> Encoding:
    """Ids and offsets of all tokens of the text, without special ones. Lone surrogates count as '?'.

    One text per call, never a batch: batches start threads, which a forked child does not have.
    """
    return tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)


def token_spans(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Characters ``start <= i < end`` of ``text`` behind each row of its token vectors."""
    spans: list[tuple[int, int]] = encoded(tokenizer, text).offsets[:MAX_TOKENS]
    return spans
