import json
import os
import select
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError
from rag.settings import Settings
from workers.bundled.release import ModelFiles
from workers.embedding import minilm
from workers.embedding.build import build
from workers.embedding.bundled import BundledEmbedder


@pytest.fixture(scope="module")
def model_dir() -> Path:
    chosen = Settings().model_dir
    build(chosen, lambda _: None)
    return chosen


@pytest.fixture
def copied(model_dir: Path, tmp_path: Path) -> ModelFiles:
    """The built model in a folder of its own, to be damaged."""
    folder = build(model_dir, lambda _: None)
    return ModelFiles(Path(shutil.copytree(folder, tmp_path / folder.name)))


def test_building_again_does_nothing(copied: ModelFiles) -> None:
    lines: list[str] = []
    before = copied.model.stat().st_mtime_ns
    assert build(copied.folder.parent, lines.append) == copied.folder
    assert lines == []
    assert copied.model.stat().st_mtime_ns == before


def test_a_broken_build_is_made_again_with_the_same_bytes(copied: ModelFiles) -> None:
    # given a model file cut short, and a neighbour that is none of the build's business
    whole, manifest = copied.model.read_bytes(), copied.manifest.read_bytes()
    copied.model.write_bytes(whole[:1000])
    neighbour = copied.folder.parent / "neighbour"
    neighbour.write_text("kept")
    # when it is built again
    lines: list[str] = []
    build(copied.folder.parent, lines.append)
    # then every byte is back, and nothing else has changed
    assert lines
    assert copied.model.read_bytes() == whole
    assert copied.manifest.read_bytes() == manifest
    assert sorted(p.name for p in copied.folder.parent.iterdir()) == sorted([copied.folder.name, "neighbour"])
    assert neighbour.read_text() == "kept"


def test_the_manifest_tells_how_near_fp32_the_model_is(copied: ModelFiles) -> None:
    cosine = json.loads(copied.manifest.read_bytes())["cosine_to_fp32"]
    assert cosine["mean"] > 0.985
    assert cosine["least"] > 0.96


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="aegis setup"):
        BundledEmbedder(tmp_path).warm()


def test_a_broken_model_says_what_to_do(copied: ModelFiles) -> None:
    # given a model file of the right size and the wrong content
    copied.model.write_bytes(bytes(copied.model.stat().st_size))
    with pytest.raises(ModelError, match="aegis setup"):
        BundledEmbedder(copied.folder.parent).warm()


def test_spans_point_at_the_text_behind_each_token_vector(model_dir: Path) -> None:
    embedder = BundledEmbedder(model_dir)
    text = "Łódź lies in Poland – naïvely unpronounceable 🙂 東京."
    spans = minilm.token_spans(minilm.tokenizer(), text)
    tokens = embedder.embed_passages([text])[0].tokens
    assert tokens is not None
    assert len(spans) == len(tokens)
    words = [text[start:end] for start, end in spans]
    assert {"lies", "in", "Poland", "東", "京", "."} <= set(words)


def test_spans_end_where_the_model_stops_reading(model_dir: Path) -> None:
    text = "word " * 1_000
    tokens = BundledEmbedder(model_dir).embed_passages([text])[0].tokens
    assert tokens is not None
    assert len(minilm.token_spans(minilm.tokenizer(), text)) == len(tokens) == minilm.MAX_TOKENS


def test_threads_change_no_vector(model_dir: Path) -> None:
    texts = [f"Text number {n} about {'engines ' * n}" for n in range(12)]
    alone, together = (BundledEmbedder(model_dir, threads=n).embed_passages(texts) for n in (1, 3))
    assert all(np.array_equal(a.dense, b.dense) for a, b in zip(alone, together, strict=True))


def test_rare_words_weigh_more_than_common_and_stop_words_least(model_dir: Path) -> None:
    embedder = BundledEmbedder(model_dir)
    weights = embedder.embed_queries(["the city of zoroaster ?"])[0].weights
    assert weights is not None
    the, city, *_, rare, mark = weights
    assert the == mark < city < rare


def test_a_forked_child_embeds_with_its_parents_session(model_dir: Path) -> None:
    # given a session that has already run on two threads in the parent
    embedder = BundledEmbedder(model_dir, threads=2)
    texts = ["hello world " * 20] * 4
    expected = _first_vector(embedder, texts)
    # then each of 20 children forked from it answers the same
    for _ in range(20):
        assert _in_child(lambda: _first_vector(embedder, texts)) == expected


def _first_vector(embedder: BundledEmbedder, texts: list[str]) -> bytes:
    return embedder.embed_passages(texts)[0].dense.tobytes()


def _in_child(work: Callable[[], bytes]) -> bytes:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        if not select.select([answer], [], [], 20)[0]:
            os.kill(child, 9)
        os.waitpid(child, 0)
        return answer.read()
