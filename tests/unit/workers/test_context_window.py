import pytest

from rag.errors import InvalidRequest
from workers.generation.ollama import Window
from workers.tokens import estimated_tokens

DEFAULT = Window(shown=3000, answer=512, most=8192)


def test_usual_questions_share_one_context() -> None:
    contexts = {DEFAULT.context("why? " * n) for n in (1, 20, 100)}

    assert contexts == {DEFAULT.usual} == {4096}
    assert DEFAULT.passages("Why?") == 3000


def test_a_long_question_gets_more_and_then_leaves_less_to_passages() -> None:
    assert DEFAULT.context("x" * 6000) == 8192
    assert DEFAULT.passages("x" * 6000) == 3000
    assert DEFAULT.context("x" * 18000) == 8192
    assert DEFAULT.passages("x" * 18000) + 6000 + 512 < 8192


def test_everything_fits_into_the_context() -> None:
    for length in range(1, 20_000, 997):
        question = "x" * length
        taken = DEFAULT.passages(question) + estimated_tokens(question) + DEFAULT.answer
        assert taken < DEFAULT.context(question)


def test_a_question_that_leaves_no_room_says_so() -> None:
    with pytest.raises(InvalidRequest, match="OLLAMA_MAX_CONTEXT"):
        DEFAULT.passages("x" * 25_000)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("one two three", 3, 8),
        ("word " * 300, 300, 600),
        ("12345 67890", 10, 14),
        ("日本語の文章です。", 9, 14),
        ("Привет, мир", 3, 12),
    ],
)
def test_tokens_are_estimated_generously(text: str, least: int, most: int) -> None:
    assert least <= estimated_tokens(text) <= most
