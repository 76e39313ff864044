import pytest

from rag.text.pinned import Kind, forms_of, missing, pinned_terms


def pinned(question: str) -> set[tuple[str, str]]:
    return {(term.kind.value, term.written) for term in pinned_terms(question)}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which defect does version 1.10.2 fix?", {("code", "1.10.2")}),
        ("What does the US plant make?", {("capitals", "US")}),
        ("Where is vitamin A stored?", {("capitals", "A")}),
        ("On which floor is the IT department?", {("capitals", "IT")}),
        ("When does the gate close in May?", {("capitals", "MAY")}),
        ("What does Annex M hold?", {("name", "Annex"), ("capitals", "M")}),
        ("Who runs the Harbour Station?", {("name", "Harbour"), ("name", "Station")}),
        ("Wie lange ist die Kündigungsfrist im Jahr 2024?", {("year", "2024")}),
        ("How many days in 3 weeks?", {("number", "3")}),
        ("How do I use it?", set()),
        ("What Is The Refund Policy?", set()),
        ("WHAT IS THE IT POLICY?", set()),
        ("消防安全负责人是谁？", set()),
        ("", set()),
    ],
)
def test_a_question_pins_down(question: str, expected: set[tuple[str, str]]) -> None:
    assert pinned(question) == expected


def test_a_date_is_one_term() -> None:
    (term,) = pinned_terms("what happened on 5 March 2024?")
    assert term.kind is Kind.DATE


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Which defect does version 1.10.2 fix?", "v1.10.2 fixes defect 315"),
        ("the US plant", "Our U.S. plant makes gears."),
        ("what does the Panthers' stadium cost", "The PANTHERS paid 16,411."),
        ("who paid 16411 on 5 March 2024", "On 05.03.2024 they paid 16,411."),
    ],
)
def test_a_text_agrees_with_what_is_pinned_down(question: str, text: str) -> None:
    assert missing(pinned_terms(question), forms_of(text)) == ()


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Which defect does version 1.10.2 fix?", "1.2.10 fixes defect 315, 1.10 none, and 2 are left"),
        ("the US plant", "It is us who plant trees."),
        ("the policy of 2023", "the policy of 2025"),
        ("model X-200", "model X-300"),
    ],
)
def test_a_text_of_something_else_lacks_it(question: str, text: str) -> None:
    assert len(missing(pinned_terms(question), forms_of(text))) == 1
