"""The same chunks embedded without any pipeline: what the machine can do, and what other ways do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from rag.model import ParsedDocument
from workers.embedding import minilm
from workers.embedding.bundled import BundledEmbedder
from workers.embedding.graph import minilm_graph
from workers.embedding.minilm import DIMENSION, encoded
from workers.embedding.session import CLS, SEP
from workers.embedding.weights import source
from workers.tools import Tools

Loop = Callable[[Sequence[str]], None]


def chunks_of(tools: Tools, documents: Sequence[str]) -> list[str]:
    """The passages that the pipeline makes of plain texts."""
    return [c.text for text in documents for c in tools.chunker.chunk(ParsedDocument(text))]


def rate(loop: Loop, texts: Sequence[str]) -> float:
    """Texts a second, after one to warm up."""
    loop(texts[:1])
    begun = perf_counter()
    loop(texts)
    return len(texts) / (perf_counter() - begun)


def bare(model_dir: Path) -> Loop:
    """The embedding sessions of the pipeline, as many threads, and nothing else."""
    embedder = BundledEmbedder(model_dir)

    def run(texts: Sequence[str]) -> None:
        embedder.embed_passages(texts)

    return run


def fp32() -> Loop:
    """The usual way: the published fp32 weights on onnxruntime with its own threads over all cores."""
    import onnxruntime  # noqa: PLC0415 - workers.embedding.session has turned its reports off by now

    with source(print) as origin:
        weights = origin.weights()
    tokenizer = minilm.tokenizer()
    graph = minilm_graph(weights, np.eye(DIMENSION, dtype=np.float32), int8=False)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def run(texts: Sequence[str]) -> None:
        for text in texts:
            ids = encoded(tokenizer, text).ids
            session.run(["dense"], {"ids": np.array([[CLS, *ids, SEP]], np.int64)})

    return run
