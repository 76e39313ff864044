"""What a delivery came to, in a line for the worker's log and for Flower: each word once, with its jobs."""

from collections.abc import Iterable, Sequence

_NAMED = 3
"""Jobs of one word that are named, so that a line stays short however many there are."""


def told(words: Iterable[tuple[str, str]]) -> str:
    """``words``: a word on each job, and the job's label or ''. Jobs that came to the same stand together."""
    labels = dict[str, list[str]]()
    for word, label in words:
        labels.setdefault(word, []).append(label)
    return ", ".join(_of(word, each) for word, each in labels.items())


def _of(word: str, labels: Sequence[str]) -> str:
    counted = f"{len(labels)} × {word}" if len(labels) > 1 else word
    named = list(filter(None, labels))
    if not named:
        return counted
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return f"{counted} ({'; '.join([*named[:_NAMED], *more])})"
