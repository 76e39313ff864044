"""The bundled cross-encoder: built from the released weights, it tells which passage answers."""

import json
import shutil
from pathlib import Path

import pytest

from rag.errors import ModelError
from rag.settings import Settings
from workers.bundled.models import CROSS_ENCODER
from workers.bundled.release import ModelFiles
from workers.bundled.wheels import carried_file
from workers.reranking.cross_encoder.build import MOST_DIFFERENCE, MOST_MEAN_DIFFERENCE, build
from workers.reranking.cross_encoder.model import CrossEncoder
from workers.reranking.cross_encoder.pairs import MAX_QUESTION_TOKENS, MAX_TOKENS
from workers.reranking.cross_encoder.weights import read_weights

QUESTION = "How long are backups kept?"
ANSWER = "Backups are kept for thirty days, then removed."
PASSAGES = (ANSWER, "Backups are encrypted on the machine that makes them.", "A cat sleeps on the sofa.")


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


def test_a_broken_build_is_made_again_with_the_same_bytes(copied: ModelFiles) -> None:
    whole, manifest = copied.model.read_bytes(), copied.manifest.read_bytes()
    copied.model.write_bytes(whole[:1000])

    build(copied.folder.parent, lambda _: None)

    assert copied.model.read_bytes() == whole
    assert copied.manifest.read_bytes() == manifest


def test_the_manifest_tells_how_near_fp32_the_logits_are(copied: ModelFiles) -> None:
    distance = json.loads(copied.manifest.read_bytes())["logits_to_fp32"]
    assert 0 < distance["mean"] <= MOST_MEAN_DIFFERENCE
    assert distance["most"] <= MOST_DIFFERENCE


def test_other_weights_than_the_released_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="not the one that was released"):
        read_weights(tmp_path / "model.onnx")


def test_the_weights_are_those_of_twelve_layers() -> None:
    with carried_file(CROSS_ENCODER, lambda _: None) as released:
        weights = read_weights(released)
    assert weights["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert weights["encoder.layer.11.intermediate.dense.weight"].shape == (1536, 384)
    assert weights["classifier.weight"].shape == (384, 1)


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="aegis setup"):
        CrossEncoder(tmp_path).warm()


def test_a_broken_model_says_what_to_do(copied: ModelFiles) -> None:
    copied.model.write_bytes(bytes(copied.model.stat().st_size))
    with pytest.raises(ModelError, match="aegis setup"):
        CrossEncoder(copied.folder.parent).warm()


def test_the_passage_that_answers_has_the_highest_logit(model_dir: Path) -> None:
    model = CrossEncoder(model_dir)
    model.warm()
    answer, related, other = model.logits(model.reader.pairs_of((QUESTION, each) for each in PASSAGES))
    assert answer > 2 > related > other


def test_a_logit_depends_on_its_pair_alone(model_dir: Path) -> None:
    # given pairs of different lengths, read alone, together and by several threads
    model, alone = CrossEncoder(model_dir), CrossEncoder(model_dir, threads=1)
    pairs = model.reader.pairs_of((QUESTION, each) for each in (*PASSAGES, "word " * 150))
    singly = [alone.logits([pair])[0] for pair in pairs]
    assert alone.logits(pairs) == model.logits(pairs) == singly
    assert model.logits([]) == []


@pytest.mark.parametrize("odd", ["", " \n", "\ud800", "🙂" * 50, "a" * 100_000, "word " * 20_000])
def test_odd_text_is_read_within_the_bounds(model_dir: Path, odd: str) -> None:
    model = CrossEncoder(model_dir)
    pairs = model.reader.pairs_of([(odd, ANSWER), (QUESTION, odd), (odd, odd)])
    assert all(len(pair.ids) <= MAX_TOKENS and pair.second <= MAX_QUESTION_TOKENS + 2 for pair in pairs)
    assert all(-15 < logit < 15 for logit in model.logits(pairs))
