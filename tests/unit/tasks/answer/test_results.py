"""What a finished question shows."""

from rag.model import Answer
from tasks.answer.results import result_of


def test_reasoning_is_shown_where_there_is_some() -> None:
    thoughtful = Answer("Yes.", (), found=True, reasoning="Hm.")

    silent = Answer("Yes.", (), found=True)
    assert result_of([], ("ollama", thoughtful), collection="docs")["reasoning"] == "Hm."
    assert "reasoning" not in result_of([], ("ollama", silent), collection="docs")
    assert "reasoning" not in result_of([], collection="docs")
