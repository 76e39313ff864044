"""What a finished question shows."""

import pytest

from rag.model import Answer, Hit, Passage, Reason, Refusal
from tasks.answer.results import is_not_found, result_of


def test_reasoning_is_shown_where_there_is_some() -> None:
    thoughtful = Answer("Yes.", (), reasoning="Hm.")

    silent = Answer("Yes.", ())
    assert result_of([], ("ollama", thoughtful), collection="docs")["reasoning"] == "Hm."
    assert "reasoning" not in result_of([], ("ollama", silent), collection="docs")
    assert "reasoning" not in result_of([], collection="docs")


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.DIFFERS_IN])
def test_an_answer_that_was_not_found_tells_why(reason: Reason) -> None:
    answer = Answer("Not found in the documents.", (), Refusal(reason))

    result = result_of([], ("extractive", answer), collection="docs")

    assert is_not_found(result)
    assert result["not_found"] == {"reason": reason.value, "message": result["not_found"]["message"]}
    assert result["not_found"]["message"].endswith(".")


def test_what_the_passages_lack_is_named() -> None:
    answer = Answer("Not found in the documents.", (), Refusal(Reason.DIFFERS_IN, ("AQ-400", "2023")))

    told = result_of([], ("extractive", answer), collection="docs")["not_found"]

    assert (told["reason"], told["lacking"]) == ("differs_in", ["AQ-400", "2023"])
    assert told["message"].endswith(": AQ-400, 2023.")


def test_without_an_answer_a_result_is_not_found_that_has_no_hits() -> None:
    hit = Hit(Passage("c", "d", 1, 0, "It rains.", "", 0, 9), 0.9)

    assert result_of([], collection="docs")["not_found"]["reason"] == "no_passages"
    assert "not_found" not in result_of([hit], collection="docs")
