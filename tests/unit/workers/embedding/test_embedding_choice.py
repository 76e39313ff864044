"""Which embedder a model's name leads to, and what one must be able to read."""

from pathlib import Path

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


@pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "multilingual-e5-small"])
def test_a_bundled_model_is_known_by_its_name_whatever_embeds_new_collections(model: str) -> None:
    settings = Settings(embedder="jina", jina_api_key="key")

    made = embedder_for(settings, model, 384)

    assert (made.name, made.dimension) == (model, 384)


def test_the_multilingual_embedder_reads_every_language_with_the_same_vote() -> None:
    made = embedder_for(Settings(), "multilingual-e5-small", 384)

    votes = {made.vote(question) for question in ("Where is it?", "Wo ist es?", "Где это находится?")}

    assert len(votes) == 1


def test_a_multilingual_model_that_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    made = embedder_for(Settings(model_dir=tmp_path), "multilingual-e5-small", 384)

    with pytest.raises(ModelError, match="EMBEDDING_MODEL=multilingual-e5-small and run `aegis setup`"):
        made.embed_queries(["Where is it?"])


@pytest.mark.parametrize("model", ["jina-embeddings-v3", "ollama:nomic-embed-text"])
def test_a_model_out_of_reach_says_what_is_missing(model: str) -> None:
    with pytest.raises(ModelError, match="address or key"):
        embedder_for(Settings(jina_api_key=None, jina_base_url=None, ollama_url=None), model, 1024)
