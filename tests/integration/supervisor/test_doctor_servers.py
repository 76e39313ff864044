"""``aegis doctor`` on servers outside of Aegis: each is really called, and one that is not well is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import models, tracing, vectors
from cli.doctor.finding import Finding
from rag.settings import Settings
from tests import jinaserver, qdrantserver
from tests.integration.collector import collecting
from tests.ollamabuild import patience
from tests.ollamaserver import CHAT, ollama_server
from workers.tools import Tools

NOBODY = "http://127.0.0.1:1"
KEY = "qdrant-key"


@pytest.fixture
def qdrant() -> Iterator[qdrantserver.QdrantServer]:
    with qdrantserver.serving(qdrantserver.QdrantServer(api_key=KEY)) as server:
        yield server


@pytest.fixture
def jina() -> Iterator[jinaserver.Jina]:
    with jinaserver.serving(jinaserver.Jina()) as server:
        yield server


def settings_of(valkey: str, home: Path, **fields: Any) -> Settings:
    return Settings.model_validate({"redis_url": valkey, "aegis_home": home, **fields})


def by_part(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.part: finding for finding in findings}


def seen_vectors(settings: Settings) -> dict[str, Finding]:
    return by_part(vectors.examine(settings, Tools(settings), running=True))


def test_a_qdrant_server_is_shown_with_version_and_shards(
    qdrant: qdrantserver.QdrantServer, valkey: str, tmp_path: Path
) -> None:
    settings = settings_of(valkey, tmp_path, qdrant_url=qdrant.url, qdrant_api_key=KEY)

    found = seen_vectors(settings)

    node = found[f"vectors {qdrant.url}"]
    assert (node.state, node.text) == ("ok", f"Qdrant {qdrantserver.VERSION}: 0 collections")
    assert node.ms is not None
    assert found["vectors cluster"].text == "1 node, no shards"
    assert found["search"].state == "note"


def test_a_node_that_is_away_is_named_beside_those_that_are_there(
    qdrant: qdrantserver.QdrantServer, valkey: str, tmp_path: Path
) -> None:
    settings = settings_of(valkey, tmp_path, qdrant_url=f"{NOBODY},{qdrant.url}", qdrant_api_key=KEY)

    found = seen_vectors(settings)

    assert found[f"vectors {NOBODY}"].state == "bad"
    assert found[f"vectors {qdrant.url}"].state == "ok"
    assert "vectors cluster" in found


def test_a_refused_key_is_a_fault_with_its_setting(
    qdrant: qdrantserver.QdrantServer, valkey: str, tmp_path: Path
) -> None:
    found = seen_vectors(settings_of(valkey, tmp_path, qdrant_url=qdrant.url, qdrant_api_key="wrong"))

    assert found[f"vectors {qdrant.url}"].state == "bad"
    assert "QDRANT_API_KEY" in found[f"vectors {qdrant.url}"].text


def seen_models(settings: Settings) -> dict[str, Finding]:
    return by_part(models.examine(settings, Tools(settings)))


def test_jina_embeds_and_reranks_a_little(jina: jinaserver.Jina, valkey: str, tmp_path: Path) -> None:
    settings = settings_of(valkey, tmp_path, jina_base_url=jina.url, jina_api_key=jinaserver.KEY)

    found = seen_models(settings)

    assert found["embedder"].text == "jina-embeddings-v3: a question has 1024 dimensions"
    assert found["reranker"].state == "ok"
    assert found["generator"].state == "ok"
    assert {call["path"] for call in jina.calls} == {"/v1/embeddings", "/v1/rerank"}


def test_a_refused_jina_key_is_a_fault_and_the_rest_is_not_tried(
    jina: jinaserver.Jina, valkey: str, tmp_path: Path
) -> None:
    found = seen_models(settings_of(valkey, tmp_path, jina_base_url=jina.url, jina_api_key="wrong"))

    assert found["embedder"].state == "bad"
    assert "JINA_API_KEY" in found["embedder"].text
    assert found["reranker"].state == "note"


def test_a_collector_takes_an_empty_batch(valkey: str, tmp_path: Path) -> None:
    with collecting() as collector:
        well = tracing.examine(settings_of(valkey, tmp_path, jaeger_endpoint=collector.url))
    away = tracing.examine(settings_of(valkey, tmp_path, jaeger_endpoint=NOBODY))
    off = tracing.examine(settings_of(valkey, tmp_path))

    assert (well.state, away.state, off.state) == ("ok", "bad", "ok")
    assert "JAEGER_ENDPOINT" in away.remedy
    assert off.text == "off: JAEGER_ENDPOINT is unset"


@pytest.mark.timeout(patience())
def test_each_ollama_replica_is_asked_by_itself(valkey: str, tmp_path: Path) -> None:
    with ollama_server() as ollama:
        found = seen_models(
            settings_of(valkey, tmp_path, ollama_url=f"{ollama.url},{NOBODY}", ollama_model=CHAT)
        )

    well, away = found[f"generator {ollama.url}"], found[f"generator {NOBODY}"]
    assert (well.state, away.state) == ("ok", "bad")
    assert well.ms is not None
    assert f"{CHAT} loaded for 24.0 h yet" in well.text
