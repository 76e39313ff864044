"""Which embedder a model's name leads to, and what one must be able to read."""

import pytest

from rag.errors import ModelError
from rag.settings import Settings
from tasks.documents.layouts import require_room
from workers.embedding import embedder_for


def test_passages_longer_than_the_model_reads_are_refused() -> None:
    settings = Settings(chunk_tokens=300)
    bundled = embedder_for(settings, "all-MiniLM-L6-v2", 384)

    with pytest.raises(ModelError, match="CHUNK_TOKENS is 300: lower that to 254"):
        require_room(bundled, settings)


def test_passages_that_just_fit_are_taken() -> None:
    settings = Settings(chunk_tokens=254)

    require_room(embedder_for(settings, "all-MiniLM-L6-v2", 384), settings)


@pytest.mark.parametrize("model", ["jina-embeddings-v3", "ollama:nomic-embed-text"])
def test_a_model_out_of_reach_says_what_is_missing(model: str) -> None:
    with pytest.raises(ModelError, match="address or key"):
        embedder_for(Settings(jina_api_key=None, jina_base_url=None, ollama_url=None), model, 1024)
