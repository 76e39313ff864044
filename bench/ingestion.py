"""How fast documents are ingested: the whole pipeline against bare loops over the same texts.

Documents of one paragraph are measured too, since the work around the model shows most there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from bench.client import Caller
from bench.figures import Figure
from rag.model import ParsedDocument
from workers.bundled.models import MINILM
from workers.bundled.session import CLS, SEP
from workers.bundled.wheels import carried_file
from workers.embedding import minilm
from workers.embedding.build import read_weights
from workers.embedding.bundled import BundledEmbedder
from workers.embedding.graph import minilm_graph
from workers.embedding.minilm import DIMENSION, encoded
from workers.tools import Tools

ROUNDS = 3
CHARACTERS = 400  # of a paragraph, some eighty tokens
APART = 1_000  # characters between the beginnings of two paragraphs

Loop = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Round:
    """Chunks a second of the same texts, measured one way right after the other."""

    pipeline: float
    bare: float
    fp32: float


def measure(caller: Caller, tools: Tools, documents: Sequence[str], collection: str) -> list[Round]:
    """One round for each part of ``documents``: a shared machine's speed drifts from minute to minute."""
    bare, fp32 = BundledEmbedder(tools.settings.model_dir).embed_passages, _fp32_loop()
    # not the first document that is measured, whose vectors would be cached then
    caller.ingest(documents[-1:], f"{collection}-warm")
    rounds = []
    for part in range(ROUNDS):
        parsed = map(ParsedDocument, documents[part::ROUNDS])
        texts = [chunk.text for document in parsed for chunk in tools.chunker.chunk(document)]
        before = _rate(bare, texts)
        begun = perf_counter()
        chunks = caller.ingest(documents[part::ROUNDS], collection)
        pipeline = chunks / (perf_counter() - begun)
        after = _rate(bare, texts)
        rounds.append(Round(pipeline, (before + after) / 2, _rate(fp32, texts[::3])))
    return rounds


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


def paragraphs_of(chapters: Sequence[str]) -> list[str]:
    """Texts of one passage, each from the middle of a passage, so that its vectors are not cached yet."""
    return [
        chapter[start : start + CHARACTERS]
        for chapter in chapters
        for start in range(APART // 2, len(chapter) - CHARACTERS, APART)
    ]


def measure_paragraphs(
    caller: Caller, tools: Tools, texts: Sequence[str], collection: str, prefix: str = ""
) -> dict[str, Figure]:
    """Documents a second, submitted singly and in batches, also as ratios to a bare loop before and after.

    ``texts``: documents of one paragraph. ``prefix``: of the figures' names.
    """
    bare = BundledEmbedder(tools.settings.model_dir).embed_passages
    ways = {"small_documents": caller.ingest, "batched_documents": caller.ingest_batch}
    found = dict[str, Figure]()
    for name, ingest in ways.items():
        rates, ratios = list[float](), list[float]()
        for part in range(ROUNDS):
            paragraphs = texts[part::ROUNDS]
            before = _rate(bare, paragraphs)
            begun = perf_counter()
            ingest(paragraphs, f"{collection}-{name.partition('_')[0]}")
            rates.append(len(paragraphs) / (perf_counter() - begun))
            ratios.append(rates[-1] / median((before, _rate(bare, paragraphs))))
        found[f"{prefix}{name}_per_s"] = Figure(median(rates), "documents/s")
        found[f"{prefix}{name}_ratio"] = Figure(median(ratios), "of a bare loop", more_is_better=True)
    return found


def _rate(loop: Loop, texts: Sequence[str]) -> float:
    """Texts a second, after one text to warm up."""
    loop(texts[:1])
    begun = perf_counter()
    loop(texts)
    return len(texts) / (perf_counter() - begun)


def _fp32_loop() -> Loop:
    """The usual way: the published fp32 weights on onnxruntime with its own threads over all cores."""
    import onnxruntime  # noqa: PLC0415 - workers.bundled.session must turn its telemetry off first

    with carried_file(MINILM, print) as archive:
        weights = read_weights(archive)
    tokenizer = minilm.tokenizer()
    graph = minilm_graph(weights, np.eye(DIMENSION, dtype=np.float32), int8=False)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def run(texts: Sequence[str]) -> None:
        for text in texts:
            ids = encoded(tokenizer, text).ids
            session.run(["dense"], {"ids": np.array([[CLS, *ids, SEP]], np.int64)})

    return run
