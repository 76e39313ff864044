"""Builds multilingual-e5-small's files from its released weights, once, at set-up (about 30 s)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.build import Built, build_folder
from workers.bundled.models import E5
from workers.bundled.session import open_runtime
from workers.bundled.wheels import Report
from workers.embedding.e5.blocks import Released, read_released
from workers.embedding.e5.graph import e5_graph
from workers.embedding.e5.model import dense_of
from workers.embedding.e5.probes import PROBES
from workers.embedding.e5.tokenizer import token_ids, tokenizer_file

LEAST_MEAN_COSINE = 0.985
LEAST_COSINE = 0.97
"""Bounds on int8 against fp32 over the probes, before their centre is taken off; seen: .996 and .991."""


def build(model_dir: Path, report: Report) -> Path:
    """The folder of the built model under ``model_dir``; builds it unless it is there.

    Deterministic. Raises what :func:`workers.bundled.build.build_folder` does, and ModelError when int8
    strays from fp32.
    """
    return build_folder(E5, model_dir, report, lambda file: _build(read_released(file)))


def _build(released: Released) -> Built:
    definition = tokenizer_file(released.pieces)
    tokenizer = Tokenizer.from_buffer(definition)
    probes = [token_ids(tokenizer, "passage", text) for text in PROBES]
    nothing = np.zeros(released.width, np.float32)
    reference = _vectors(e5_graph(released.weights, nothing, int8=False), probes)
    made = _vectors(e5_graph(released.weights, nothing, int8=True), probes)
    agreement = _agreement(made, reference)
    model = e5_graph(released.weights, reference.mean(axis=0), int8=True)
    return Built(model, definition, {"cosine_to_fp32": agreement})


def _vectors(model: bytes, texts: Sequence[Sequence[int]]) -> Vector:
    session = open_runtime(model)
    return np.stack([dense_of(session, ids) for ids in texts])


def _agreement(made: Vector, reference: Vector) -> dict[str, float]:
    """Mean and least cosine of the int8 model's vectors to the fp32 model's. ModelError below the bounds."""
    cosines = (made * reference).sum(axis=1)
    mean, least = float(cosines.mean()), float(cosines.min())
    if not (mean >= LEAST_MEAN_COSINE and least >= LEAST_COSINE):  # true for NaN too
        raise ModelError(
            f"int8 {E5.name} strays from fp32: cosine {mean:.4f} on average and {least:.4f} at worst, bounds "
            f"{LEAST_MEAN_COSINE} and {LEAST_COSINE}; this processor's kernels may be at fault"
        )
    return {"mean": round(mean, 5), "least": round(least, 5)}
