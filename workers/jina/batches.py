"""Texts in calls of a size that the server takes."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rag.errors import ModelError
from workers.tokens import estimated

T = TypeVar("T")


class OversizeError(ModelError):
    """The server takes a call only with fewer or shorter texts."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Of one call: ``tokens`` as :func:`workers.tokens.estimated` counts them, and ``texts``."""

    tokens: int
    texts: int


def batches(texts: Sequence[str], limits: BatchLimits, *, each: int = 0) -> Iterator[Sequence[str]]:
    """``texts`` cut, in order, into calls within ``limits``; a text over them goes alone.

    ``each``: tokens that every text costs beside its own.
    """
    start = tokens = 0
    for end, text in enumerate(texts):
        size = estimated(text) + each
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
