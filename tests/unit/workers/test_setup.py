"""Which bundled models the settings need, and which are missing."""

from pathlib import Path

import pytest

from rag.settings import Settings
from workers.bundled.models import CROSS_ENCODER, E5, MINILM
from workers.setup import missing_models, needed_models


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (Settings(), (MINILM, CROSS_ENCODER)),
        (Settings(reranker="late-interaction"), (MINILM,)),
        (Settings(jina_api_key="key"), (MINILM,)),
        (Settings(jina_api_key="key", reranker="bundled"), (MINILM, CROSS_ENCODER)),
        (Settings(embedding_model=E5.name), (MINILM, E5, CROSS_ENCODER)),
        (Settings(embedding_model=E5.name, reranker="late-interaction"), (MINILM, E5)),
    ],
    ids=["by default", "late interaction", "Jina", "Jina embeds alone", "multilingual", "without reading"],
)
def test_each_model_but_minilm_is_needed_where_it_is_chosen(
    settings: Settings, needed: tuple[object, ...]
) -> None:
    assert needed_models(settings) == needed


def test_what_is_not_built_is_missing(tmp_path: Path) -> None:
    built = MINILM.files(tmp_path)
    built.folder.mkdir()
    built.model.write_bytes(b"four")
    built.manifest.write_text('{"sizes": {"model.onnx": 4}}')

    assert missing_models(Settings(), tmp_path) == [CROSS_ENCODER]
