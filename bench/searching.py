"""How long a search takes in collections of different sizes, while they are optimised as usual.

Points are random, with few token vectors, so that hundreds of thousands of them are there in a minute.
They say how the engine's time grows, not how good its hits are.
"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter, sleep

from bench.figures import Figure, percentile
from bench.library import Library
from bench.stack import started
from rag.errors import NotFound
from rag.settings import Settings
from workers.tools import Tools

SIZES, MOST_POINTS = (10_000, 100_000, 300_000), 500_000
PASSAGES, TOKENS = 100, 2  # passages of a document; token vectors of a passage
STEP = 20  # documents that are put between two looks at the clock
SECONDS = 120.0
"""For filling the collection. Sizes that are not reached by then have no figure."""

SEARCHES = 300
APART_SECONDS = 0.02
LONGEST_MS = 250.0


def measure(home: Path, report: Callable[[str], None], *, quick: bool, large: bool) -> dict[str, Figure]:
    """p95 of a search at each size. ``quick``: the first size only. ``large``: also 500,000 points."""
    sizes = SIZES[:1] if quick else (*SIZES, MOST_POINTS) if large else SIZES
    deadline = float("inf") if large else monotonic() + SECONDS
    figures = dict[str, Figure]()
    with started(home):
        tools = Tools(Settings(aegis_home=home))
        filled = 0
        for size in sizes:
            library = Library("search", size // PASSAGES, PASSAGES, TOKENS)
            if not _fill(tools, library, filled, deadline):
                report(
                    f"{size:,} points and more are left out: {SECONDS:.0f} s were not enough to store them"
                )
                break
            filled = library.documents
            figures |= _figures(tools, library)
    return figures


def _fill(tools: Tools, library: Library, filled: int, deadline: float) -> bool:
    """Put the documents from number ``filled`` on. False when the deadline came first."""
    for first in range(filled, library.documents, STEP):
        if monotonic() > deadline:
            return False
        part = Library(library.collection, min(first + STEP, library.documents), PASSAGES, TOKENS)
        part.put(tools, first)
    return True


def _figures(tools: Tools, library: Library) -> dict[str, Figure]:
    waits = _search(tools, library)
    name = f"search_{library.points // 1000}k"
    peers = {"p50, ms": percentile(waits, 0.5)}
    return {
        f"{name}_p95_ms": Figure(percentile(waits, 0.95), "ms", peers=peers),
        f"{name}_longest_ms": Figure(max(waits), "ms", LONGEST_MS),
    }


def _search(tools: Tools, library: Library) -> list[float]:
    """Milliseconds of each search, with a pause after it in which the engine may begin to optimise."""
    collection = tools.documents.collection(library.collection)
    if collection is None:
        raise NotFound(f"the collection {library.collection} was not made")
    waits = []
    for question in library.questions(tools.settings.dimension, SEARCHES):
        begun = perf_counter()
        tools.vectors.search(collection.store, question)
        waits.append((perf_counter() - begun) * 1000)
        sleep(APART_SECONDS)
    return waits
