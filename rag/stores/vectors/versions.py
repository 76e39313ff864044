"""Which versions of a document a removal is about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Versions:
    """Those under ``below``, other than ``keep``, and equal to ``only``; None does not restrict."""

    below: int | None = None
    keep: int | None = None
    only: int | None = None


ALL = Versions()
