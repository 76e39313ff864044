"""The relevance of passages, by all that is known of them."""

from dataclasses import replace

import pytest

from rag.model import Passage
from rag.text.pinned import Kind
from rag.text.scripts import FULL, NONE
from workers.reranking.relevance import UNRELATED_BELOW, Evidence, relevances, strength_of

LONG = "A passage of many words. " * 20
PASSAGE = Passage("c", "d", 1, 0, LONG, "", 0, len(LONG))
IN_PART = 0.25
VOTES = [FULL, IN_PART, NONE]


def evidence(logit: float | None = None, *, characters: int = 100, words: float = 0.3) -> Evidence:
    strength = None if logit is None else strength_of(logit, characters)
    return Evidence(
        PASSAGE, 5.0, cosine=0.4, maxsim=0.4, coverage=0.5, words=words, logit=logit, strength=strength
    )


@pytest.mark.parametrize("vote", VOTES)
def test_given_nothing_to_rate_then_there_is_no_relevance(vote: float) -> None:
    assert relevances([], vote) == []


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("logit", [-1e9, -12.0, 0.0, 12.0, 1e9])
def test_given_any_logits_then_relevances_are_probabilities(vote: float, logit: float) -> None:
    rated = relevances([evidence(logit), evidence(3.0), evidence()], vote, {Kind.CODE})

    assert all(0 <= each <= 1 for each in rated)


@pytest.mark.parametrize("vote", [FULL, IN_PART])
def test_given_a_higher_logit_then_relevance_is_higher(vote: float) -> None:
    by_logit = [relevances([evidence(logit)], vote)[0] for logit in (-11.0, -5.0, 0.0, 5.0)]

    assert by_logit == sorted(by_logit)
    assert by_logit[0] < by_logit[-1]


@pytest.mark.parametrize("vote", [IN_PART, NONE])
def test_given_more_of_the_words_then_relevance_is_higher(vote: float) -> None:
    few, some, all_of_them = (relevances([evidence(0.0, words=w)], vote)[0] for w in (0.0, 0.5, 1.0))

    assert few < some < all_of_them


def test_given_a_script_that_the_models_do_not_read_then_their_logits_have_no_say() -> None:
    assert relevances([evidence(9.0)], NONE) == pytest.approx(relevances([evidence()], NONE))


def test_given_the_same_logit_then_the_shorter_text_answers_more_surely() -> None:
    (sentence,), (page,) = relevances([evidence(-4.0)]), relevances([evidence(-4.0, characters=900)])

    assert sentence > UNRELATED_BELOW > page


def test_given_one_candidate_then_it_is_rated_like_the_best_of_many() -> None:
    best = evidence(4.0)
    unrelated = replace(evidence(-11.0, words=0.0), cosine=0.0, maxsim=0.0, coverage=0.0, retrieval=0.0)

    assert relevances([best])[0] == pytest.approx(relevances([unrelated, best, unrelated])[1])


def test_given_candidates_that_were_not_read_then_none_comes_before_the_best_that_was() -> None:
    read, unread = relevances([evidence(2.0), evidence()])

    assert read >= unread


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("kind", [Kind.CODE, Kind.YEAR, Kind.DATE])
def test_given_a_pinned_code_that_no_passage_has_then_even_fitting_words_do_not_answer(
    vote: float, kind: Kind
) -> None:
    fitting = [evidence(7.0, words=0.6)]

    assert relevances(fitting, vote)[0] > UNRELATED_BELOW
    assert relevances(fitting, vote, {kind})[0] < UNRELATED_BELOW


def test_given_a_name_that_no_passage_has_then_a_sure_reading_still_answers() -> None:
    assert relevances([evidence(5.0)], FULL, {Kind.NAME})[0] > UNRELATED_BELOW
    assert relevances([evidence(-4.0)], FULL, {Kind.NAME})[0] < UNRELATED_BELOW


def test_given_no_reading_at_all_then_late_interaction_decides() -> None:
    near = replace(evidence(), cosine=0.7, maxsim=0.7, coverage=1.0)
    far = replace(evidence(), cosine=0.1, maxsim=0.1, coverage=0.0)

    assert relevances([near])[0] > UNRELATED_BELOW > relevances([far])[0]


def test_given_a_short_passage_then_its_vector_may_answer_for_it() -> None:
    short = Passage("c", "d", 1, 0, "A sentence.", "", 0, 11)
    of_page, of_sentence, of_other = (
        replace(evidence(-9.0), passage=passage, cosine=cosine)
        for passage, cosine in ((PASSAGE, 0.5), (short, 0.5), (short, 0.3))
    )

    assert relevances([of_sentence])[0] > UNRELATED_BELOW
    assert relevances([of_page])[0] < UNRELATED_BELOW
    assert relevances([of_other])[0] < UNRELATED_BELOW


def test_given_few_passages_to_choose_from_then_the_same_logit_answers_more_surely() -> None:
    unsure, unrelated = [evidence(-7.0, characters=150)], [evidence(-11.3, characters=150)]

    of_two, of_many = (relevances(unsure, searched=searched)[0] for searched in (2, 1_000))

    assert of_two > UNRELATED_BELOW > of_many
    assert relevances(unrelated, searched=1) == relevances(unrelated)


@pytest.mark.parametrize("vote", VOTES)
def test_given_the_words_together_in_a_sentence_then_a_passage_comes_before_one_that_scatters_them(
    vote: float,
) -> None:
    scattered = evidence(3.0)
    rated = relevances([scattered, replace(scattered, together=0.9)], vote)

    assert rated[1] > rated[0]
