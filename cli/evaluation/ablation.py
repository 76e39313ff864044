"""What answers are worth with one part of the pipeline left out, or with another one in its place."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import get_args

from cli.client.client import Client
from cli.evaluation.measurement import Progress, measure
from cli.evaluation.model import Dataset
from cli.evaluation.run import Run
from rag.errors import AegisError
from rag.settings.models import RerankerName

_DEFAULT_RERANKER = "bundled"
_OF_SERVERS = frozenset({"jina"})
"""Rerankers that a stack of its own cannot run."""


@dataclass(frozen=True, slots=True)
class Variant:
    """``settings`` of a stack of its own, and ``options`` of each query with an answer."""

    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


DEFAULTS = Variant()


def variants(*, on_own_stack: bool) -> Iterator[Variant]:
    """Each changes one thing. A running API takes only those that need no other settings."""
    if on_own_stack:
        for reranker in get_args(RerankerName):
            if reranker != _DEFAULT_RERANKER and reranker not in _OF_SERVERS:
                yield Variant(f"RERANKER={reranker}", {"RERANKER": reranker})
        yield Variant("nothing refused (MIN_RELEVANCE=0)", {"MIN_RELEVANCE": "0"})
    yield Variant("answered from the first passage alone (top_n 1)", options={"top_n": 1})


def measure_variant(
    dataset: Dataset,
    variant: Variant,
    stack: Callable[[Mapping[str, str]], AbstractContextManager[Client]],
    *,
    sample: int | None,
    progress: Progress,
) -> Run:
    """The run of a variant; where it cannot be measured, an empty one with the ``fault``.

    ``stack`` makes an API with the settings that it is given.
    """
    prefix = f"{variant.name}: "
    try:
        with stack(variant.settings) as client:
            run = measure(
                dataset,
                client,
                sample=sample,
                options=variant.options,
                progress=lambda line: progress(f"{prefix}{line}"),
            )
    except AegisError as error:
        return Run(dataset.name, "", 0, (), variant=variant.name, fault=str(error) or error.title)
    return replace(run, variant=variant.name)
