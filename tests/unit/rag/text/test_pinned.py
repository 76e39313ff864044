import pytest

from rag.text.mentions import mentions_of
from rag.text.pinned import Kind, absent_terms, missing, pinned_terms


def pinned(question: str) -> set[tuple[str, str]]:
    return {(term.kind.value, term.written) for term in pinned_terms(question)}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which defect does version 1.10.2 fix?", {("code", "1.10.2")}),
        ("What does the US plant make?", {("capitals", "US")}),
        ("Where is vitamin A stored?", {("capitals", "A"), ("numbered", "vitamin A")}),
        ("On which floor is the IT department?", {("capitals", "IT")}),
        ("When does the gate close in May?", {("name", "MAY")}),
        ("What does Annex M hold?", {("name", "Annex"), ("capitals", "M"), ("numbered", "Annex M")}),
        (
            "Who runs the Harbour Station?",
            {("name", "Harbour"), ("name", "Station"), ("full name", "Harbour Station")},
        ),
        ("Who placed order 88102?", {("number", "88102"), ("numbered", "order 88102")}),
        ("Wie lange ist die Kündigungsfrist im Jahr 2024?", {("year", "2024")}),
        ("How many days in 3 weeks?", {("number", "3")}),
        ("Which works does the V&A hold?", set()),
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
        ("who paid the 16411 on 5 March 2024", "On 05.03.2024 they paid 16,411."),
    ],
)
def test_a_text_agrees_with_what_is_pinned_down(question: str, text: str) -> None:
    assert missing(pinned_terms(question), mentions_of(text)) == ()


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
    assert len(missing(pinned_terms(question), mentions_of(text))) == 1


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Where is the room of Tuva Lund?", "Name: Tuva Lund; Room: 2.171"),
        ("Where is Tuva Lund's room?", "the room of TUVA LUND"),
        ("Who placed order 88102?", "Order: 88102; Technician: Idun Vik"),
        ("What does annex B say?", "Annex B sets the rate."),
        ("What does a pass for zone A cost?", "Zone: A and B; Single: 3.90"),
        ("What does a pass for zone A cost?", "Zone: A; Single: 2.80"),
        ("Who signed these 10-Qs?", "This 10-Q was signed by Ada."),
    ],
)
def test_a_text_agrees_that_has_the_whole_name_or_number(question: str, text: str) -> None:
    assert absent_terms(question, [text]) == ()


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Where is the room of Tuva Lund?", ["Name: Tuva Boll", "Name: Ada Lund"]),
        ("Who placed the order 88102?", ["88102 people ordered 7 meals, order 88103 among them"]),
        ("What does annex B say?", ["Annex C is of grade B"]),
    ],
)
def test_the_parts_of_a_name_in_several_places_do_not_make_it(question: str, texts: list[str]) -> None:
    (absent,) = absent_terms(question, texts)
    assert absent.kind in (Kind.FULL_NAME, Kind.NUMBERED)


@pytest.mark.parametrize(
    ("question", "text", "has_another"),
    [
        ("How heavy is the AQ-200?", "The AQ-300 weighs 11 kg.", True),
        ("How heavy is the AQ-200?", "The BX-300 weighs 11 kg.", False),
        ("the policy of 2023", "the policy of 2025", True),
        ("Who placed order 88102?", "Order: 7", True),
        ("What does annex B say?", "Annex 7", False),
        ("How long does it take 12 men?", "It takes 13 men a day.", False),
    ],
)
def test_a_text_has_another_thing_of_the_family(question: str, text: str, *, has_another: bool) -> None:
    families = {each.family for each in pinned_terms(question)}
    assert (not families.isdisjoint(mentions_of(text).families)) is has_another
