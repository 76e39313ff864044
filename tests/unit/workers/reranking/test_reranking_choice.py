import pytest

from rag.errors import ConfigurationError
from rag.settings import Settings, load
from workers.reranking import unrelated_below


def test_not_found_begins_where_the_chosen_reranker_says_unless_it_is_set() -> None:
    bundled, jina = Settings(), Settings(jina_api_key="key")
    assert unrelated_below(bundled) == 0.25
    assert unrelated_below(jina) == 0.2
    assert unrelated_below(Settings(jina_api_key="key", min_relevance=0.0)) == 0.0


def test_a_call_must_be_over_before_its_worker_counts_as_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_TIMEOUT", "60")
    load()
    monkeypatch.setenv("JINA_API_KEY", "key")
    with pytest.raises(ConfigurationError, match=r"JINA_TIMEOUT \(\d+\) must be under INTERACTIVE_TIMEOUT"):
        load()
