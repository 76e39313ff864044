import pytest

from rag.text.scripts import FULL, NONE, model_vote


@pytest.mark.parametrize(
    "question", ["Who is the fire safety officer?", "parental leave", "", "4711", "Was it in July?"]
)
def test_an_english_model_votes_on_english(question: str) -> None:
    assert model_vote(question) == FULL


@pytest.mark.parametrize(
    "question",
    ["Wer ist für die Leitern zuständig?", "¿Cuál es el plazo de preaviso?", "İhbar süresi ne kadar?"],
)
def test_it_votes_a_little_on_other_languages_in_latin_letters(question: str) -> None:
    assert NONE < model_vote(question) < FULL


@pytest.mark.parametrize(
    "question",
    [
        "消防安全负责人是谁？",
        "Кто отвечает за безопасность?",
        "من هو مسؤول السلامة؟",
        "防火管理者は誰ですか？",
    ],
)
def test_it_has_no_vote_on_scripts_that_it_does_not_read(question: str) -> None:
    assert model_vote(question) == NONE
