"""Splits texts into calls of a size that the server accepts."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rag.errors import ModelError
from workers.tokens import estimated_tokens

T = TypeVar("T")


class OversizeError(ModelError):
    """The server accepts the call only with fewer or shorter texts."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Most ``texts`` of one call, and most ``tokens`` by :func:`workers.tokens.estimated_tokens`."""

    tokens: int
    texts: int


def batches(texts: Sequence[str], limits: BatchLimits, *, each: int = 0) -> Iterator[Sequence[str]]:
    """``texts`` in order, split into calls within ``limits``; a text beyond them goes alone.

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


async def call_in_parts(
    texts: Sequence[str], call: Callable[[Sequence[str]], Awaitable[Sequence[T]]]
) -> list[T]:
    """The results of ``call`` for ``texts``. It halves a call, again and again, that is too large."""
    try:
        return list(await call(texts))
    except OversizeError as error:
        if len(texts) == 1:
            raise ModelError(
                f"{error}: a single text of {len(texts[0])} characters is too long; lower CHUNK_TOKENS, "
                "or choose a model that reads more"
            ) from error
    middle = len(texts) // 2
    return [*await call_in_parts(texts[:middle], call), *await call_in_parts(texts[middle:], call)]
