"""The tokenizer of multilingual-e5-small: XLM-R's vocabulary of 250,000 pieces, chosen by their probability.

The normalisation is SentencePiece's ``nmt_nfkc``, as the vocabulary was learnt with it.
"""

from collections.abc import Sequence
from typing import Literal

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

BEGIN, END = 0, 2
"""Ids of the tokens before and after each text."""

UNKNOWN = 3
MAX_TOKENS = 510
"""Of a text and its prefix: 512 with the two around them."""

Use = Literal["query", "passage"]


def tokenizer_file(pieces: Sequence[tuple[str, float]]) -> bytes:
    """The ``tokenizer.json`` of these pieces, for ``Tokenizer.from_buffer``."""
    tokenizer = Tokenizer(models.Unigram([*pieces], unk_id=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer.to_str().encode()


def token_ids(tokenizer: Tokenizer, use: Use, text: str) -> list[int]:
    """All ids, with the prefix that the model was trained with. What exceeds ``MAX_TOKENS`` is left out.

    Lone surrogates count as '?'. One text a call: batches start threads, which a forked child does not have.
    """
    clean = text.encode("utf-8", "replace").decode()
    ids: list[int] = tokenizer.encode(f"{use}: {clean}", add_special_tokens=False).ids[:MAX_TOKENS]
    return [BEGIN, *ids, END]
