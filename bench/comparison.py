"""Other ways to ingest the same texts, measured on this machine in the same run.

The programs are in ``bench/peers``. They have a virtual environment of their own, which the first run makes
from ``bench/peers/requirements.txt``; Aegis needs none of it. Each runs with both models: the published
weights in fp32, which these libraries load by themselves, and the int8 model that Aegis builds.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.figures import Figure
from bench.servers import running_broker
from rag.errors import Unavailable
from rag.model import ParsedDocument
from workers.bundled.models import MINILM
from workers.bundled.wheels import carried_file
from workers.embedding.build import read_weights
from workers.embedding.bundled import BundledEmbedder
from workers.embedding.graph import minilm_graph
from workers.embedding.minilm import DIMENSION
from workers.tools import Tools

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "bench" / "peers" / "requirements.txt"
ENVIRONMENT = ROOT / ".venv" / "peers"

PARAGRAPHS, CHAPTERS = "paragraphs", "chapters"
PUBLISHED, BUILT = "fp32", "int8"
SECONDS = 300.0
"""For one program. A longer run is an error."""

PLAIN_EMBEDDED, PLAIN_QDRANT = "FastAPI + Celery", "FastAPI + Celery + Qdrant"
_PIPELINES = {"LlamaIndex": "llamaindex_pipeline", "Haystack": "haystack_pipeline"}
_PLAIN = "plain_client"


@dataclass(frozen=True, slots=True)
class Peer:
    """One program with one model.

    ``rates``: documents a second, by sort of text. ``ratios``: the time of a bare int8 loop over the same
    texts, right before and after, divided by the program's time.
    """

    program: str
    model: str
    rates: Mapping[str, float]
    ratios: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.program}, {self.model}"


@dataclass(frozen=True, slots=True)
class _Inputs:
    """``texts``: documents by sort, also in the file ``file``. ``passages``: what the bare loop embeds."""

    file: Path
    texts: Mapping[str, Sequence[str]]
    passages: Mapping[str, Sequence[str]]
    models: Mapping[str, Path]
    tokenizer: Path

    def options(self, model: str) -> list[str]:
        paths = {"--model": self.models[model], "--tokenizer": self.tokenizer, "--texts": self.file}
        return [part for name, path in paths.items() for part in (name, str(path))]


def can_compare() -> bool:
    """False in an installed wheel, which does not contain the programs."""
    return REQUIREMENTS.is_file()


def install_peers(report: Callable[[str], None]) -> Path:
    """The interpreter of the programs' environment, which is made anew when the requirements have changed.

    Unavailable when the packages cannot be installed.
    """
    python, stamp = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed"
    digest = sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text("utf-8") == digest:
        return python
    report("installing the peers, once (350 MB) …")
    uv = str(Path(sys.executable).with_name("uv"))
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)])
    # NLTK, which LlamaIndex uses, refuses files that are hard links to a cache.
    options = ["--quiet", "--compile-bytecode", "--link-mode", "copy", "--no-deps", "--require-hashes"]
    _run([uv, "pip", "install", *options, "--python", str(python), "--requirement", str(REQUIREMENTS)])
    stamp.write_text(digest, "utf-8")
    return python


def measure_peers(
    tools: Tools,
    texts: Mapping[str, Sequence[str]],
    scratch: Path,
    report: Callable[[str], None],
    qdrant_url: str | None = None,
) -> list[Peer]:
    """Run every program with both models. Unavailable when one cannot be installed or fails.

    ``texts``: documents of the sorts PARAGRAPHS and CHAPTERS. ``qdrant_url``: of a Qdrant server, for the
    plain way too.
    """
    python = install_peers(report)
    inputs = _write_inputs(tools, texts, scratch)
    bare = BundledEmbedder(tools.settings.model_dir)
    bare.embed_passages(["Nothing is loaded yet when the first text comes."])
    peers = []
    with running_broker(scratch / "broker") as broker:
        for name, program, variables in _programs(broker, qdrant_url):
            for model in inputs.models:
                report(f"{name}, {model} …")
                command = [str(python), "-m", f"bench.peers.{program}", *inputs.options(model)]
                before = _bare_seconds(bare, inputs)
                seconds = json.loads(_run(command, variables))
                after = _bare_seconds(bare, inputs)
                rates = {sort: len(texts[sort]) / taken for sort, taken in seconds.items()}
                ratios = {sort: (before[sort] + after[sort]) / 2 / taken for sort, taken in seconds.items()}
                peers.append(Peer(name, model, rates, ratios))
    return peers


def add_peers(figures: Mapping[str, Figure], peers: Sequence[Peer]) -> dict[str, Figure]:
    """``figures`` with the peers' ratios beside those of Aegis, and with ratios to the best of them.

    The limits hold against the published weights, which is what these libraries load. With the int8 model of
    Aegis a pipeline within one process comes near the bare loop, which nothing can be twice as fast as.
    """
    compared = dict(figures)
    for name, ratio, sort, least in (
        ("small_documents_vs_best_peer", "small_documents_ratio", PARAGRAPHS, 1.3),
        ("batched_documents_vs_best_peer", "batched_documents_ratio", PARAGRAPHS, 2.0),
        ("chapters_vs_best_peer", "ingest_ratio", CHAPTERS, None),
    ):
        measured = [peer for peer in peers if sort in peer.ratios]
        ours, of_peers = figures[ratio].value, {peer.name: peer.ratios[sort] for peer in measured}
        compared[ratio] = replace(figures[ratio], peers=of_peers)
        published = [peer for peer in measured if peer.model == PUBLISHED]
        compared[name] = _against_best(ours, published, sort, least)
        compared[f"{name}_int8"] = _against_best(ours, [p for p in measured if p not in published], sort)
    for way in ("small", "batched"):
        plain = [peer for peer in peers if peer.program == PLAIN_QDRANT]
        if plain:
            ours = figures[f"qdrant_{way}_documents_ratio"].value
            compared[f"qdrant_{way}_documents_vs_plain_way"] = _against_best(ours, plain, PARAGRAPHS, 1.0)
    return compared


def _against_best(ours: float, peers: Sequence[Peer], sort: str, least: float | None = None) -> Figure:
    best = max(peers, key=lambda peer: peer.ratios[sort])
    return Figure(ours / best.ratios[sort], f"of {best.name}", least, more_is_better=True)


def _programs(broker: Path, qdrant_url: str | None) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Name, module and variables of each program."""
    for name, module in _PIPELINES.items():
        yield name, module, {"HAYSTACK_TELEMETRY_ENABLED": "False"}
    plain = {"PLAIN_REDIS_URL": f"redis+socket://{broker}"}
    yield PLAIN_EMBEDDED, _PLAIN, plain
    if qdrant_url:
        yield PLAIN_QDRANT, _PLAIN, {**plain, "PLAIN_QDRANT_URL": qdrant_url}


def _write_inputs(tools: Tools, texts: Mapping[str, Sequence[str]], scratch: Path) -> _Inputs:
    scratch.mkdir(parents=True, exist_ok=True)
    file, fp32 = scratch / "texts.json", scratch / "fp32.onnx"
    file.write_text(json.dumps(texts), "utf-8")
    with carried_file(MINILM, print) as archive:
        weights = read_weights(archive)
    fp32.write_bytes(minilm_graph(weights, np.eye(DIMENSION, dtype=np.float32), int8=False))
    built = MINILM.files(tools.settings.model_dir)
    chunks = [chunk.text for text in texts[CHAPTERS] for chunk in tools.chunker.chunk(ParsedDocument(text))]
    return _Inputs(
        file=file,
        texts=texts,
        passages={PARAGRAPHS: texts[PARAGRAPHS], CHAPTERS: chunks},
        models={PUBLISHED: fp32, BUILT: built.model},
        tokenizer=built.tokenizer,
    )


def _bare_seconds(bare: BundledEmbedder, inputs: _Inputs) -> dict[str, float]:
    seconds = {}
    for sort, passages in inputs.passages.items():
        begun = perf_counter()
        bare.embed_passages(passages)
        seconds[sort] = perf_counter() - begun
    return seconds


def _run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
    """The program's output. Unavailable, with the end of what it said, when it fails or takes too long."""
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command[:3])} failed: {str(error.stderr)[-1000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{' '.join(command[:3])} took more than {SECONDS:.0f} s") from error
    return ended.stdout
