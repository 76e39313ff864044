"""Texts in calls of a size that the server takes."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rag.errors import ModelError

T = TypeVar("T")

_BYTES_A_TOKEN = 3


class OversizeError(ModelError):
    """The server takes a call only with fewer or shorter texts."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Of one call: ``tokens`` as :func:`estimated_tokens` counts them, and ``texts``."""

    tokens: int
    texts: int


def estimated_tokens(text: str) -> int:
    """About how many tokens a multilingual tokenizer makes of ``text``, seldom more.

    A third of its UTF-8 bytes: Jina's tokenizer (XLM-RoBERTa's, 250,000 pieces) is in no package
    that may be installed, and takes 4 to 5 bytes of prose a token in Latin script, 5 to 6 in Cyrillic, 4
    to 5 in Chinese and Japanese. Of code and digits it takes as few as 2; there, a call can turn
    out too large, and is halved.
    """
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_A_TOKEN)


def batches(texts: Sequence[str], limits: BatchLimits, *, each: int = 0) -> Iterator[Sequence[str]]:
    """``texts`` cut, in order, into calls within ``limits``; a text over them goes alone.

    ``each``: tokens that every text costs beside its own.
    """
    start = tokens = 0
    for end, text in enumerate(texts):
        size = estimated_tokens(text) + each
        if end > start and (tokens + size > limits.tokens or end - start == limits.texts):
            yield texts[start:end]
            start, tokens = end, 0
        tokens += size
    if start < len(texts):
        yield texts[start:]


async def halved(texts: Sequence[str], call: Callable[[Sequence[str]], Awaitable[Sequence[T]]]) -> list[T]:
    """What ``call`` gives for ``texts``, made in halves of halves where the server finds them too large."""
    try:
        return list(await call(texts))
    except OversizeError as error:
        if len(texts) == 1:
            raise ModelError(
                f"{error}: a single text of {len(texts[0])} characters is too long; lower CHUNK_TOKENS, "
                "or choose a model that reads more"
            ) from error
    middle = len(texts) // 2
    return [*await halved(texts[:middle], call), *await halved(texts[middle:], call)]
