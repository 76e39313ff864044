"""What an answer is worth, by values computed by hand and by trec_eval's own implementation."""

from typing import Any

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, R, nDCG

from cli.evaluation.model import Question
from cli.evaluation.scoring import Reply, Score, Verdict, ndcg, recall, reciprocal_rank, score
from cli.evaluation.summary import ALL, summaries, summary
from cli.evaluation.wording import holds, normalised, share_held

DOCUMENTS = [f"d{number}" for number in range(12)]


def hit(document_id: str = "d1", text: str = "text", **fields: Any) -> dict[str, Any]:
    return {"document_id": document_id, "text": text, "page": None, "score": 0.5, "url": "/x", **fields}


def reply(answer: str, *, cited: bool = True, **fields: Any) -> Reply:
    found = [hit(text="The bell rings twice.")]
    citations = [hit(page=3)] if cited else []
    return Reply(found, {"answer": answer, "citations": citations, "hits": found, **fields}, seconds=0.1)


def question(**fields: Any) -> Question:
    return Question("How often?", "c", fields.pop("kind", "k"), **fields)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("The U.S.", "u s"),
        ("An answer [1], quoted.", "answer quoted"),
        ("  a  b\nc ", "b c"),
        ("[12]", ""),
        ("1,500.50 EUR (12.0 %)", "1500.5 eur 12"),
        ("version 3.6.40", "version 3.6.40"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_words_are_compared_without_articles_punctuation_marks_and_zeros(text: str, same: str) -> None:
    assert normalised(text) == same


@pytest.mark.parametrize(
    ("text", "words", "held"),
    [
        ("It costs 16.4 euro.", "16", False),
        ("It costs 16.40 euro.", "16.4", True),
        ("in 2014", "14", False),
        ("82,959 million", "82959", True),
        ("release 3.6.41", "3.6.4", False),
        ("release 3.6.4.", "3.6.4", True),
        ("into the wood", "in", False),
        ("higher prices", "price", True),
        ("an article", "art", False),
        ("unprice", "price", False),
        ("İhbar süresi iki aydır.", "iki ay", True),
        ("東京は日本の首都です", "日本", True),
        ("مدير الصيانة أفنر", "صيانة", True),
        ("नमस्ते दुनिया", "दुनिया", True),
        ("दुनि", "दुनिया", False),
        ("anything", "", False),
        ("rich in vitamin A and iron", "vitamin A", True),
        ("rich in vitamin B and iron", "vitamin A", False),
        ("the end of a war", "end of war", True),
        ("plan B fits", "A", False),
        ("plan A fits", "A", True),
        ("within ±2 mm", "±", True),
    ],
)
def test_words_are_found_as_words_where_a_script_separates_them(text: str, words: str, held: bool) -> None:
    assert holds(text, words) is held


def test_of_each_need_one_wording_is_enough() -> None:
    needs = (("twice", "two times"), ("noon",))

    assert share_held("It rings two times.", needs) == 0.5
    assert share_held("Twice, at noon.", needs) == 1
    with pytest.raises(ValueError, match="nothing to be held"):
        share_held("text", ())


def test_ranks_are_those_of_hand() -> None:
    found = ["a", "b", "a", "c"]

    assert reciprocal_rank(["b", "c"], found) == 0.5
    assert reciprocal_rank(["z"], found) == 0
    assert recall(["b", "z"], found) == 0.5
    # b, grade 2, at place 2 and c, grade 1, at place 4: 2/log2(3) + 1/log2(5); ideal 2/1 + 1/log2(3)
    assert ndcg({"b": 2, "c": 1}, found) == pytest.approx((1.26186 + 0.43068) / (2 + 0.63093), abs=1e-4)


@given(
    found=st.lists(st.sampled_from(DOCUMENTS), unique=True, min_size=1),
    grades=st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(1, 3), min_size=1),
)
def test_ranks_are_those_of_trec_eval(found: list[str], grades: dict[str, int]) -> None:
    run = {"q": {document: float(-place) for place, document in enumerate(found)}}

    theirs = ir_measures.calc_aggregate([RR @ 10, nDCG @ 10, R @ 10], {"q": grades}, run)

    assert reciprocal_rank(grades, found[:10]) == pytest.approx(theirs[RR @ 10])
    assert ndcg(grades, found) == pytest.approx(theirs[nDCG @ 10])
    assert recall(grades, found[:10]) == pytest.approx(theirs[R @ 10])


@pytest.mark.parametrize(
    ("answer", "cited", "verdict"),
    [
        ("Twice at noon. [1]", True, Verdict.RIGHT),
        ("Twice. [1]", True, Verdict.PARTLY),
        ("Never. [1]", True, Verdict.WRONG),
        ("The documents do not say how often, twice or at noon.", False, Verdict.REFUSED),
    ],
)
def test_an_answer_is_judged_by_what_is_needed(answer: str, cited: bool, verdict: Verdict) -> None:
    judged = score("1", question(needs=(("twice",), ("noon",))), reply(answer, cited=cited))

    assert judged.verdict is verdict
    assert judged.held == {Verdict.RIGHT: 1, Verdict.PARTLY: 0.5}.get(verdict, 0)
    assert judged.hits_held == judged.first_held == 0.5


def test_what_the_documents_do_not_hold_is_to_be_turned_away() -> None:
    unanswerable = question(answerable=False)

    assert score("1", unanswerable, reply("Not found.", cited=False)).verdict is Verdict.TURNED_AWAY
    assert score("1", unanswerable, reply("Twice. [1]")).verdict is Verdict.ANSWERED


def test_without_a_known_answer_only_retrieval_is_judged() -> None:
    judged = score("1", question(documents={"d1": 1}), reply("Twice. [1]"))

    assert (judged.verdict, judged.reciprocal_rank, judged.held) == (Verdict.UNJUDGED, 1, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "not told"),
        ({"not_found": {"reason": "no-evidence"}}, "no-evidence"),
        ({"not_found": "odd"}, "not told"),
        ({"hits": []}, "no passage was found"),
    ],
)
def test_a_refusal_has_the_reason_that_the_result_tells(fields: dict[str, Any], reason: str) -> None:
    assert score("1", question(answerable=False), reply("No.", cited=False, **fields)).reason == reason


@pytest.mark.parametrize(("page", "right"), [(3, True), (4, False), (None, None)])
def test_the_first_citation_names_the_page(page: int | None, right: bool | None) -> None:
    assert score("1", question(page=page), reply("Twice. [1]")).page_right is right


def test_a_job_that_failed_counts_for_no_share() -> None:
    failed = score("1", question(documents={"d1": 1}), Reply((), {}, fault="timed out"))
    good = score("2", question(documents={"d1": 1}), reply("Twice. [1]"))

    whole = summary([failed, good])

    assert failed.verdict is Verdict.FAILED
    assert (whole.mrr, whole.falsely_refused, whole.verdicts[Verdict.FAILED]) == (1, 0, 1)


def scored(kind: str, verdict: Verdict, **fields: Any) -> Score:
    answerable = verdict not in (Verdict.TURNED_AWAY, Verdict.ANSWERED)
    return Score("id", kind, "q", "e", verdict, answerable=fields.pop("answerable", answerable), **fields)


def test_figures_are_of_each_kind_and_of_all() -> None:
    found = summaries(
        [
            scored("a", Verdict.RIGHT, reciprocal_rank=1.0, seconds=0.1, words=4),
            scored("a", Verdict.REFUSED, reciprocal_rank=0.5, seconds=0.3, reason="weak"),
            scored("b", Verdict.TURNED_AWAY, reason="weak"),
            scored("b", Verdict.ANSWERED, words=6),
        ]
    )

    assert (found["a"].mrr, found["a"].first, found["a"].among_ten) == (0.75, 0.5, 1)
    assert (found["a"].falsely_refused, found["a"].refused) == (0.5, None)
    assert (found["b"].refused, found["b"].falsely_refused, found["b"].mrr) == (0.5, None, None)
    assert (found[ALL].right, found[ALL].words, found[ALL].p95) == (0.5, 5, pytest.approx(300))
    assert (found[ALL].right_refusals, found[ALL].false_refusals) == ({"weak": 1}, {"weak": 1})


def test_one_kind_alone_has_no_figures_beside_those_of_all() -> None:
    assert list(summaries([scored("a", Verdict.RIGHT)])) == [ALL]
