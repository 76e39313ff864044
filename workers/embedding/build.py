"""Builds the bundled model's files from its weights, once, at set-up (about 10 s)."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from rag.errors import ModelError
from rag.model import Vector
from workers.embedding.files import NAME, RECIPE_VERSION, SHA256, ModelFiles, model_files
from workers.embedding.graph import minilm_graph
from workers.embedding.minilm import DIMENSION, encoded, open_tokenizer, tokenizer_file
from workers.embedding.projection import PROBES, principal_axes, sample_lines
from workers.embedding.session import open_session
from workers.embedding.weights import Report, Weights, source

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


@dataclass(frozen=True, slots=True)
class Built:
    model: bytes
    tokenizer: bytes
    agreement: Agreement


def build(model_dir: Path, report: Report) -> Path:
    """The folder of the built model under ``model_dir``; builds it unless it is there.

    ``report`` takes a line at each step. Deterministic; written whole or not at all; safe to
    run twice at once. Raises ModelError when the weights are not available, int8 strays from fp32, or
    ``model_dir`` cannot be written.
    """
    files = model_files(model_dir)
    if files.complete():
        return files.folder
    began = perf_counter()
    with _draft_folder(files) as draft, source(report) as origin:
        report(f"building {NAME} (int8), once")
        built = _build(origin.weights(), report)
        contents = {draft.model.name: built.model, draft.tokenizer.name: built.tokenizer}
        for name, data in contents.items():
            _write_synced(draft.folder / name, data)
        _write_synced(draft.manifest, _manifest(contents, built.agreement))
        _put_in_place(draft, files)
    report(f"built {NAME} in {perf_counter() - began:.0f} s: {files.folder}")
    return files.folder


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
    return Built(model, definition, agreement)


def _dense(model: bytes, texts: Sequence[Sequence[int]]) -> Vector:
    session = open_session(model)
    return np.stack([session.run(ids)[0] for ids in texts])


@contextmanager
def _draft_folder(files: ModelFiles) -> Iterator[ModelFiles]:
    """A folder beside the final one, to fill and then to rename.

    It is made before the model is computed, so that a folder that cannot be written fails early.
    """
    draft = ModelFiles(files.folder.with_name(f".{files.folder.name}-{os.getpid()}"))
    try:
        draft.folder.mkdir(parents=True)
        yield draft
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(
            f"{files.folder} cannot be written ({reason}): set MODEL_DIR to a folder that can"
        ) from error
    finally:
        shutil.rmtree(draft.folder, ignore_errors=True)


def _put_in_place(draft: ModelFiles, files: ModelFiles) -> None:
    if files.folder.exists() and not files.complete():
        broken = draft.folder.with_suffix(".broken")
        files.folder.rename(broken)
        shutil.rmtree(broken)
    try:
        draft.folder.rename(files.folder)
    except OSError:
        if not files.complete():  # else another process has put the same files there first
            raise


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _manifest(contents: dict[str, bytes], agreement: Agreement) -> bytes:
    # no times and no paths: the same source and versions give the same bytes
    facts = {
        "name": NAME,
        "recipe_version": RECIPE_VERSION,
        "source": SHA256,
        "sizes": {name: len(data) for name, data in contents.items()},
        "sha256": {name: sha256(data).hexdigest() for name, data in contents.items()},
        "versions": {package: version(package) for package in ("onnx", "onnxruntime", "numpy", "tokenizers")},
        "cosine_to_fp32": asdict(agreement),
    }
    return json.dumps(facts, indent=2).encode() + b"\n"
