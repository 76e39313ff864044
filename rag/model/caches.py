"""What is kept for whoever asks for the same again."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CacheKind(StrEnum):
    EMBEDDINGS = "embeddings"
    ANSWERS = "answers"


class CacheOutcome(StrEnum):
    HIT = "hit"
    MISS = "miss"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """``asked``: keys asked for, by what came of it; ``size``: bytes that are kept."""

    asked: Mapping[tuple[CacheKind, CacheOutcome], int]
    size: int
