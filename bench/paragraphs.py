"""How fast documents of one paragraph go in, where the work around the model shows most."""

from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter

from bench import loops
from bench.client import Caller
from bench.figures import Figure
from workers.tools import Tools

ROUNDS = 3
CHARACTERS = 400  # of a paragraph, some eighty tokens
APART = 1_000  # characters between the beginnings of two


def measured(caller: Caller, tools: Tools, chapters: Sequence[str], collection: str) -> dict[str, Figure]:
    """Documents a second, and the ratio to a bare loop over the same texts right before and after."""
    bare, texts = loops.bare(tools.settings.model_dir), list(_paragraphs(chapters))
    rates, ratios = list[float](), list[float]()
    for part in range(ROUNDS):
        paragraphs = texts[part::ROUNDS]
        before = loops.rate(bare, paragraphs)
        rates.append(_rate(caller, paragraphs, collection))
        ratios.append(rates[-1] / median((before, loops.rate(bare, paragraphs))))
    return {
        "small_documents_per_s": Figure(median(rates), "documents/s"),
        "small_documents_ratio": Figure(median(ratios), "of a bare loop", more_is_better=True),
    }


def _rate(caller: Caller, texts: Sequence[str], collection: str) -> float:
    begun = perf_counter()
    caller.ingest(texts, collection)
    return len(texts) / (perf_counter() - begun)


def _paragraphs(chapters: Sequence[str]) -> Iterator[str]:
    """Each begins in the middle of a passage, so that no embedding of it is known already."""
    for chapter in chapters:
        for start in range(APART // 2, len(chapter) - CHARACTERS, APART):
            yield chapter[start : start + CHARACTERS]
