"""Words of questions that tell nothing about their subject."""

import pytest

from rag.text.asking import has_content, without_asking


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("Wo kann man den Schlüssel holen?", ["Schlüssel", "holen"]),
        ("Кто проверяет котёл?", ["проверяет", "котёл"]),
        ("谁检查锅炉？", ["检查锅炉"]),
        ("من يفحص الغلاية؟", ["يفحص", "الغلاية"]),
        ("Ποια είναι η τιμή;", ["τιμή"]),
    ],
)
def test_given_a_question_then_words_that_ask_or_join_are_left_out(question: str, kept: list[str]) -> None:
    assert [word.strip("?？؟;") for word in without_asking(question).split() if word.strip("?？؟;")] == kept


@pytest.mark.parametrize("question", ["Wer?", "谁？", "?", ""])
def test_given_nothing_else_then_the_question_stays(question: str) -> None:
    assert without_asking(question) == question


def test_given_a_word_that_holds_such_a_word_then_it_stays_whole() -> None:
    assert "चिकित्सकों" in without_asking("कितने चिकित्सकों का अनुमान है?")


@pytest.mark.parametrize(
    "question",
    [
        "Anything there?",
        "What is it?",
        "Hello?",
        "Gibt es etwas?",
        "¿Hay algo?",
        "Qui est là ?",
        "谁？",
        "?!",
        "",
    ],
)
def test_given_no_word_that_names_anything_then_the_question_has_no_content(question: str) -> None:
    assert not has_content(question)


@pytest.mark.parametrize(
    "question",
    ["What is IT?", "vitamin A", "Where is the key?", "42?", "谁检查锅炉？", "Wo ist der Schlüssel?"],
)
def test_given_a_word_that_names_something_then_it_has(question: str) -> None:
    assert has_content(question)
