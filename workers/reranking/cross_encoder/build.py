"""Builds the cross-encoder's files from its weights, once, at set-up (about 5 s)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.errors import ModelError
from workers.bundled.build import Built, build_folder
from workers.bundled.models import CROSS_ENCODER
from workers.bundled.wheels import Report, Weights
from workers.embedding.minilm import open_tokenizer, tokenizer_file
from workers.reranking.cross_encoder.graph import cross_encoder_graph
from workers.reranking.cross_encoder.pairs import Pair, Reader
from workers.reranking.cross_encoder.session import open_session
from workers.reranking.cross_encoder.weights import read_weights

MOST_MEAN_DIFFERENCE = 0.4
MOST_DIFFERENCE = 1.5
"""Bounds on the distance of int8 logits to fp32 ones over the probes; seen: .19 and .77, where logits go from
-12 to 11."""

PROBES = (
    ("What does the warranty cover?", "The warranty covers defects of material for two years."),
    ("What does the warranty cover?", "Interest rates rose by a quarter of a point in March."),
    ("how do i restore a backup", "Backups\nRestoring\nRun `restore` with the name of the backup."),
    ("error 111", "Error: connection refused (os error 111) while dialing 10.0.0.7:5432"),
    ("When was the budget approved?", "The committee met on 14 March 1987 and approved the budget."),
    ("capital of France", "Le chat dort sur le canapé pendant que la pluie tombe sur les toits de la ville."),
    ("Who works at night?", "Name: A. Miller | Role: nurse | Shift: nights | Phone: 555-0147"),
    ("What is the boiling point at altitude?", "Water boils at a lower temperature at high altitude."),
)


def build(model_dir: Path, report: Report) -> Path:
    """The folder of the built model under ``model_dir``; builds it unless it is there.

    Deterministic. Raises what :func:`workers.bundled.build.build_folder` does, and ModelError when int8
    strays from fp32.
    """
    return build_folder(CROSS_ENCODER, model_dir, report, lambda released: _build(read_weights(released)))


def _build(weights: Weights) -> Built:
    definition = tokenizer_file()
    model = cross_encoder_graph(weights, int8=True)
    pairs = Reader(open_tokenizer(definition)).pairs_of(PROBES)
    return Built(model, definition, {"logits_to_fp32": _agreement(weights, model, pairs)})


def _agreement(weights: Weights, model: bytes, pairs: Sequence[Pair]) -> dict[str, float]:
    """Mean and greatest distance of the int8 model's logits to fp32 ones. ModelError beyond the bounds."""
    made, reference = open_session(model), open_session(cross_encoder_graph(weights, int8=False))
    distances = np.abs([made.logit(pair) - reference.logit(pair) for pair in pairs])
    mean, most = float(distances.mean()), float(distances.max())
    if not (mean <= MOST_MEAN_DIFFERENCE and most <= MOST_DIFFERENCE):  # true for NaN too
        raise ModelError(
            f"the int8 cross-encoder strays from fp32: logits differ by {mean:.3f} on average and {most:.3f} "
            f"at most, bounds {MOST_MEAN_DIFFERENCE} and {MOST_DIFFERENCE}; this processor's kernels may be "
            "at fault"
        )
    return {"mean": round(mean, 5), "most": round(most, 5)}
