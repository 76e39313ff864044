"""Weights are used only when they are the ones that were released."""

from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from rag.errors import ModelError
from workers.embedding.minilm import SHA256, source
from workers.generation import smollm2


def test_the_installed_weights_are_the_released_ones() -> None:
    assert source().tokenizer()
    assert source().weights()


@pytest.mark.parametrize("member", SHA256)
def test_other_weights_in_the_wheel_are_refused(
    member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "model.zip"
    with ZipFile(forged, "w") as archive:
        for name in SHA256:
            archive.writestr(name, b"{}")
    monkeypatch.setattr("workers.embedding.minilm._model_zip", lambda: forged)

    with pytest.raises(ModelError, match="not the one that was released"):
        source()._read(member)


def test_another_gguf_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forged.gguf").write_bytes(b"GGUF")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(smollm2, "find_spec", lambda _: package)

    with pytest.raises(ModelError, match="not the file that was released"):
        smollm2.weights()
