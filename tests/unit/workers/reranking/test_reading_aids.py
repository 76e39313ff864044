"""What a question is compared with: stretches, rare words, what it pins down, and who judges."""

import numpy as np
import pytest

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from rag.text.lexical import question_features, term_counts, terms_of_parts
from rag.text.pinned import Kind
from rag.text.scripts import FULL, NONE
from workers.reranking.asking import plainly
from workers.reranking.stretches import nearest_stretches
from workers.reranking.votes import vote_on
from workers.reranking.words import absent_kinds, coverages

TEXT = "We open at nine. Dogs may come in. Lost keys cost 35 euros. Heating starts in October. Bring a torch."


def passage(text: str, *, title: str = "") -> Passage:
    return Passage("c", "d", 1, 0, text, title, 0, len(text))


def spans_of(text: str) -> list[tuple[int, int]]:
    """One token a word."""
    starts = [0, *(i + 1 for i, character in enumerate(text) if character == " ")]
    return [(start, start + 1) for start in starts]


def similarity_to(word: str) -> np.ndarray:
    """(words of TEXT, 1): 1 where the word stands, else 0."""
    return np.array([[float(each.startswith(word))] for each in TEXT.split()], dtype=np.float32)


def test_given_a_passage_of_many_facts_then_the_stretch_with_the_one_asked_for_comes_first() -> None:
    first, *others = nearest_stretches(TEXT, spans_of(TEXT), similarity_to("keys"), np.ones(1, np.float32), 2)

    assert "Lost keys cost 35 euros." in first
    assert len(others) == 1
    assert not set(first.split(". ")) & set(others[0].split(". "))


def test_given_a_passage_of_one_stretch_then_none_is_chosen() -> None:
    short = "One sentence. Another one."

    assert (
        nearest_stretches(short, spans_of(short), np.ones((4, 1), np.float32), np.ones(1, np.float32), 2)
        == []
    )


def test_given_fewer_token_vectors_than_tokens_then_later_stretches_rate_zero() -> None:
    known = similarity_to("We")[:4]

    (first,) = nearest_stretches(TEXT, spans_of(TEXT), known, np.ones(1, np.float32), 1)

    assert first.startswith("We open")


def test_given_a_word_that_few_passages_have_then_it_counts_more() -> None:
    asked = question_features("pump pressure")
    there = [[frozenset[int](), term_counts(text).keys()] for text in ("pump", "pump", "pump", "pressure")]

    common, *_, rare = coverages(asked, there)

    assert rare.whole > common.whole > 0


def test_given_words_in_one_sentence_then_they_count_more_than_in_several() -> None:
    asked = question_features("What is the pump pressure?")
    passages = [
        ("", "The pump stops.", "The pressure falls."),
        ("", "The pump has no pressure.", "It stops."),
    ]
    there = [terms_of_parts(" ".join(parts), parts) for parts in passages]

    apart, together = coverages(asked, there)

    assert apart.whole == together.whole == together.sentence == 1.0
    assert 0 < apart.sentence < 1


def test_given_words_above_the_text_then_each_sentence_has_them() -> None:
    asked = question_features("pump pressure")
    there = [terms_of_parts("Pump\nThe pressure falls.", ["Pump", "It stops.", "The pressure falls."])]

    (found,) = coverages(asked, there)

    assert found.sentence == 1.0


def test_given_a_passage_without_a_sentence_then_its_context_is_what_it_has() -> None:
    (found,) = coverages(question_features("pump pressure"), [terms_of_parts("Pump", ["Pump"])])

    assert found.whole == found.sentence > 0


@pytest.mark.parametrize(
    ("question", "absent"),
    [
        ("May the AQ-300 be used outdoors?", {Kind.CODE}),
        ("May the AQ-100 be used outdoors?", set()),
        ("May AQ-100s be used outdoors?", set()),
        ("What changed in these 10-Qs?", set()),
        ("How much could I spend in 2019?", {Kind.YEAR}),
        ("What may be used outdoors?", set()),
    ],
)
def test_given_what_a_question_pins_down_then_only_what_no_passage_has_is_absent(
    question: str, absent: set[Kind]
) -> None:
    passages = [
        passage("The AQ-100 must stay inside."),
        passage("It may be used outdoors.", title="AQ-200"),
        passage("Form 10-Q"),
    ]

    assert absent_kinds(question, passages, ()) == absent


@pytest.mark.parametrize(
    ("question", "text", "models"),
    [
        ("When does the lift work again?", "The lift is out of service.", FULL),
        ("lost key", "The fee for a lost key is 35 euros.", FULL),
        ("Где находится гавань?", "Гавань находится на севере.", NONE),
        ("потерянный ключ", "Потерянный ключ заменяют.", NONE),
        ("Ai là người quản lý tòa nhà này?", "Người quản lý tòa nhà là ông Nam.", NONE),
    ],
)
def test_given_a_language_then_the_models_vote_only_where_they_read_it(
    question: str, text: str, models: float
) -> None:
    assert vote_on(question, [passage(text)]).models == models


def test_given_german_then_the_models_vote_in_part() -> None:
    assert NONE < vote_on("Wann wird der Müll abgeholt?", [passage("Der Müll wird abgeholt.")]).models < FULL


def test_given_courtesies_and_a_slip_then_the_plain_question_is_compared() -> None:
    candidate = Candidate(Hit(passage("The caretaker has extension 417."), 1.0))
    request = RerankRequest(
        "Hello! Could you please tell me who the carteaker is? Thanks!",
        Embedding(np.ones(2, np.float32)),
        (candidate,),
    )

    assert plainly(request).question == "who the caretaker is?"
