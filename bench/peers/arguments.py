"""What every program of this folder is given, and what it prints."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from bench.peers.encoder import Encoder


def measure_pipeline(make: Callable[[Encoder], Callable[[Sequence[str]], None]]) -> None:
    """Time the function that ``make`` returns with each sort of text, and print the seconds.

    A first call with other words loads what is loaded on first use. It is not timed.
    """
    options = read_arguments()
    ingest = make(Encoder(options.model, options.tokenizer))
    ingest(["Nothing is loaded yet when the first document comes."])
    print_seconds({sort: _seconds(ingest, texts) for sort, texts in read_texts(options.texts).items()})


def read_arguments() -> argparse.Namespace:
    """``model``, ``tokenizer`` and ``texts`` as paths."""
    parser = argparse.ArgumentParser()
    for name in ("model", "tokenizer", "texts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    return parser.parse_args()


def read_texts(path: Path) -> dict[str, list[str]]:
    """The texts of the JSON file, by sort."""
    texts: dict[str, list[str]] = json.loads(path.read_text("utf-8"))
    return texts


def print_seconds(seconds: Mapping[str, float]) -> None:
    print(json.dumps(seconds))


def _seconds(ingest: Callable[[Sequence[str]], None], texts: Sequence[str]) -> float:
    begun = perf_counter()
    ingest(texts)
    return perf_counter() - begun
