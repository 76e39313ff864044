"""How fast documents go in: the whole pipeline against a bare loop over the same sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from bench import loops
from bench.client import Caller
from bench.figures import Figure
from workers.tools import Tools

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Round:
    """Chunks a second of the same texts, one way right after the other."""

    pipeline: float
    bare: float
    fp32: float


def measure(caller: Caller, tools: Tools, documents: Sequence[str], collection: str) -> list[Round]:
    """One round for each part of ``documents``: a shared machine's speed drifts from minute to minute."""
    bare, fp32 = loops.bare(tools.settings.model_dir), loops.fp32()
    caller.ingest(documents[-1:], f"{collection}-warm")  # not the first one measured, which is cached then
    rounds = []
    for part in range(ROUNDS):
        texts = loops.chunks_of(tools, documents[part::ROUNDS])
        before = loops.rate(bare, texts)
        pipeline = _rate(caller, documents[part::ROUNDS], collection)
        after = loops.rate(bare, texts)
        rounds.append(Round(pipeline, (before + after) / 2, loops.rate(fp32, texts[::3])))
    return rounds


def _rate(caller: Caller, documents: Sequence[str], collection: str) -> float:
    begun = perf_counter()
    chunks = caller.ingest(documents, collection)
    return chunks / (perf_counter() - begun)


def figures(rounds: Sequence[Round]) -> dict[str, Figure]:
    """Ratios are medians over the rounds."""
    bare, fp32 = median(r.bare for r in rounds), median(r.fp32 for r in rounds)
    peers = {"bare loop, chunks/s": bare, "fp32 loop, chunks/s": fp32}
    of_bare = median(r.pipeline / r.bare for r in rounds)
    of_fp32 = median(r.pipeline / r.fp32 for r in rounds)
    return {
        "ingest_chunks_per_s": Figure(median(r.pipeline for r in rounds), "chunks/s", peers=peers),
        "ingest_ratio": Figure(of_bare, "of a bare loop", 0.8, more_is_better=True),
        "ingest_vs_best_peer": Figure(of_fp32, "of an fp32 loop", 1.0, more_is_better=True),
    }
