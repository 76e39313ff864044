"""Relevance by vectors of a model that reads every language."""

from dataclasses import replace

import numpy as np
import pytest

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from rag.text.pinned import Kind
from rag.text.scripts import FULL
from workers.reranking.late_interaction import comparable
from workers.reranking.meaning import relevances_by_meaning
from workers.reranking.relevance import UNRELATED_BELOW, Evidence
from workers.reranking.votes import Meaning, vote_on

E5 = "multilingual-e5-small"
ENGLISH = "The lift in the east wing is out of service until the end of March."
GERMAN = "Der Aufzug im Ostflügel ist bis Ende März außer Betrieb, und die Treppe ist gesperrt."


def passage(text: str = "") -> Passage:
    return Passage("c", "d", 1, 0, text, "", 0, len(text))


def evidence(
    cosine: float, *, retrieval: float = 10.0, words: float = 0.0, text: str = "A paragraph. " * 20
) -> Evidence:
    return Evidence(passage(text), retrieval, cosine, maxsim=0.0, coverage=0.0, words=words)


def best(*found: Evidence, meaning: Meaning = Meaning.ACROSS, absent: frozenset[Kind] = frozenset()) -> float:
    return max(relevances_by_meaning(found, absent, meaning))


USUAL = [evidence(0.2, retrieval=9.0)] * 9


def test_given_a_passage_that_leads_by_far_then_the_question_is_answered() -> None:
    assert best(evidence(0.48), *USUAL) > 0.5


def test_given_a_passage_of_one_sentence_then_less_is_enough() -> None:
    paragraph, sentence = evidence(0.3), evidence(0.3, text="The lift is out of service.")

    assert best(paragraph, *USUAL) < UNRELATED_BELOW < best(sentence, *USUAL)


def test_given_that_no_passage_leads_then_the_question_is_unrelated() -> None:
    assert best(evidence(0.3), *USUAL) < UNRELATED_BELOW


def test_given_the_questions_words_then_they_speak_for_the_passages_in_its_language_alone() -> None:
    plain, worded = evidence(0.42), evidence(0.42, words=0.9)

    within = [best(each, *USUAL, meaning=Meaning.WITHIN) for each in (plain, worded)]
    across = [best(each, *USUAL, meaning=Meaning.ACROSS) for each in (plain, worded)]

    assert within[0] < UNRELATED_BELOW < within[1]
    assert across[0] == across[1]


def test_given_words_that_many_passages_share_by_chance_then_they_count_less() -> None:
    worded = [evidence(0.42, words=0.6), *USUAL]

    often, rarely = (max(relevances_by_meaning(worded, (), Meaning.WITHIN, each)) for each in (0.15, 0.0))

    assert often < rarely


def test_given_two_passages_then_their_order_is_that_of_the_search_and_of_what_agrees() -> None:
    nearest, first = evidence(0.5, retrieval=20.0), evidence(0.4, retrieval=22.0)
    agreeing = replace(nearest, agreement=3.0)

    assert np.argmax(relevances_by_meaning([nearest, first], (), Meaning.ACROSS)) == 1
    assert np.argmax(relevances_by_meaning([agreeing, first], (), Meaning.ACROSS)) == 0


@pytest.mark.parametrize(
    ("meaning", "kind", "is_answered"),
    [
        (Meaning.WITHIN, Kind.YEAR, False),
        (Meaning.ACROSS, Kind.YEAR, False),
        (Meaning.WITHIN, Kind.CODE, False),
        (Meaning.ACROSS, Kind.NAME, True),
    ],
)
def test_given_what_no_passage_has_then_it_counts_where_it_would_be_written_alike(
    meaning: Meaning, kind: Kind, is_answered: bool
) -> None:
    near = evidence(0.5, words=0.6)

    assert (best(near, *USUAL, meaning=meaning, absent=frozenset({kind})) > 0.5) == is_answered


def test_given_no_passages_then_there_are_no_relevances() -> None:
    assert relevances_by_meaning([], (), Meaning.WITHIN) == []


@pytest.mark.parametrize(
    ("question", "text", "meaning"),
    [
        ("When does the lift work again?", ENGLISH, None),
        ("When does the lift work again?", GERMAN, Meaning.ACROSS),
        ("Wann fährt der Aufzug wieder?", GERMAN, Meaning.WITHIN),
        ("Wann fährt der Aufzug wieder?", ENGLISH, Meaning.ACROSS),
        ("Когда снова заработает лифт?", ENGLISH, Meaning.ACROSS),
        ("lost key", ENGLISH, None),
    ],
)
def test_given_two_languages_then_the_vectors_judge_what_english_models_do_not_read(
    question: str, text: str, meaning: Meaning | None
) -> None:
    vote = vote_on(question, [passage(text)], E5)

    assert vote.meaning is meaning
    assert (vote.models == FULL) == (meaning is None)
    assert vote_on(question, [passage(text)], "all-MiniLM-L6-v2").meaning is None


def test_given_passages_without_vectors_then_those_of_another_model_are_not_compared_with_them() -> None:
    # given a question with the vectors of the multilingual embedder, and a passage without any
    tokens = np.eye(2, dtype=np.float16)
    query = Embedding(np.ones(2, np.float32), tokens, np.ones(2, np.float32))
    bare = Candidate(Hit(passage("lift"), 1.0))
    request = RerankRequest("lift", query, (bare,), E5)

    made = comparable(request)

    # then all is embedded here, as for a model that is not known
    assert (made.model, made.query.tokens) == ("", None)
    stored = replace(request, candidates=(replace(bare, dense=query.dense, tokens=tokens),))
    assert comparable(stored) is stored
