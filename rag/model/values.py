"""Types that several modules share: JSON, vectors, and the figures of caches."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rag.web.jsontypes import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
else:
    Vector = Any  # numpy takes longer to load than a whole command of a client

__all__ = ["CacheFigures", "CacheKind", "CacheOutcome", "Json", "Vector"]


class CacheKind(StrEnum):
    EMBEDDINGS = "embeddings"
    ANSWERS = "answers"


class CacheOutcome(StrEnum):
    HIT = "hit"
    MISS = "miss"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """``asked``: how many keys were asked for, by outcome. ``size``: bytes that are cached."""

    asked: Mapping[tuple[CacheKind, CacheOutcome], int]
    size: int
