"""How fast documents go in: the whole pipeline against a bare loop over the same sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from bench import loops
from bench.client import Caller
from bench.figures import Figure
from workers.tools import Tools


@dataclass(frozen=True, slots=True)
class Rates:
    """Chunks a second."""

    pipeline: float
    bare: float
    fp32: float


def measured(caller: Caller, tools: Tools, documents: Sequence[str], collection: str) -> Rates:
    """The bare loop runs before and after the pipeline, since a shared machine's speed drifts."""
    texts = loops.chunks_of(tools, documents)
    bare = loops.bare(tools.settings.model_dir)
    before = loops.rate(bare, texts)
    caller.ingest(documents[:1], f"{collection}-warm")
    begun = perf_counter()
    chunks = caller.ingest(documents, collection)
    pipeline = chunks / (perf_counter() - begun)
    after = loops.rate(bare, texts)
    return Rates(pipeline, (before + after) / 2, loops.rate(loops.fp32(), texts[: len(texts) // 3]))


def figures(rates: Rates) -> dict[str, Figure]:
    peers = {"bare loop, chunks/s": rates.bare, "fp32 loop, chunks/s": rates.fp32}
    return {
        "ingest_chunks_per_s": Figure(rates.pipeline, "chunks/s", peers=peers),
        "ingest_ratio": Figure(rates.pipeline / rates.bare, "of a bare loop", 0.8, more_is_better=True),
        "ingest_vs_best_peer": Figure(
            rates.pipeline / rates.fp32, "of an fp32 loop", 1.0, more_is_better=True, peers=peers
        ),
    }
