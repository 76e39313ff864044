"""The bodies of submits: bounds, defaults, and values that nothing behind could use."""

import json

import pytest
from pydantic import ValidationError

from api.schemas.bodies import MAX_FACTS_BYTES, MAX_QUESTION, DocumentIn, QueryIn
from rag.errors import InvalidRequest
from rag.settings import Settings

SETTINGS = Settings(top_k_retrieval=10, top_k_rerank=3, collection_name="home")


@pytest.mark.parametrize(
    ("sent", "top_k", "top_n"),
    [
        ({}, 10, 3),
        ({"top_k": 2}, 2, 2),
        ({"top_k": 50}, 50, 3),
        ({"top_n": 1}, 10, 1),
        ({"top_n": 20}, 20, 20),
        ({"top_k": 30, "top_n": 30}, 30, 30),
    ],
)
def test_one_bound_moves_the_default_of_the_other(sent, top_k, top_n):
    question = QueryIn(question="Why?", **sent).question_with(SETTINGS)

    assert (question.top_k, question.top_n) == (top_k, top_n)


def test_defaults_of_a_question():
    question = QueryIn(question="  Why?\n").question_with(SETTINGS)

    assert question.question == "Why?"
    assert question.collection == "home"
    assert question.where == {}
    assert question.generate
    assert not question.stream
    assert question.cache


def test_a_question_can_refuse_the_caches():
    assert not QueryIn(question="Why?", cache=False).question_with(SETTINGS).cache


@pytest.mark.parametrize(("sent", "timeout"), [({}, None), ({"timeout": 5}, 5), ({"timeout": 0.5}, 0.5)])
def test_a_caller_says_how_long_an_answer_is_wanted(sent, timeout):
    assert QueryIn(question="Why?", **sent).question_with(SETTINGS).timeout == timeout


def test_nobody_waits_longer_than_the_operator_allows():
    longest = SETTINGS.api_timeout

    assert QueryIn(question="Why?", timeout=longest).question_with(SETTINGS).timeout == longest
    with pytest.raises(InvalidRequest, match="API_TIMEOUT"):
        QueryIn(question="Why?", timeout=longest + 1).question_with(SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": ""},
        {"question": " \n"},
        {"question": "x" * (MAX_QUESTION + 1)},
        {"question": "\ud800"},
        {"question": 5},
        {"question": "x", "top_k": 0},
        {"question": "x", "top_k": 1001},
        {"question": "x", "top_k": True},
        {"question": "x", "top_k": "5"},
        {"question": "x", "top_k": 2, "top_n": 3},
        {"question": "x", "collection": "../x"},
        {"question": "x", "filter": {"a": {"near": 1}}},
        {"question": "x", "filter": {"a": 10**400}},
        {"question": "x", "filter": []},
        {"question": "x", "generate": "yes"},
        {"question": "x", "timeout": 0},
        {"question": "x", "timeout": -1},
        {"question": "x", "timeout": "5"},
        {"question": "x", "timeout": True},
        {"question": "x", "timeout": float("nan")},
        {"question": "x", "timeout": float("inf")},
        {"question": "x", "topk": 5},
        {},
    ],
)
def test_wrong_questions_are_refused(wrong):
    with pytest.raises(ValidationError):
        QueryIn.model_validate(wrong)


@pytest.mark.parametrize("size", [1, MAX_QUESTION])
def test_questions_of_any_allowed_length_pass(size):
    assert QueryIn(question="x" * size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": " \n\t"},
        {"url": "ftp://example.com/x"},
        {"url": "example.com"},
        {"url": "https://example.com/" + "x" * 3000},
        {"text": "x", "document_id": ""},
        {"text": "x", "document_id": "x" * 257},
        {"text": "x", "document_id": "a\nb"},
        {"text": "x", "collection": "-x"},
        {"text": "x", "collection": "x\n"},
        {"text": "x", "title": "  "},
        {"text": "x", "metadata": []},
        {"text": "x", "metadata": {"a": float("nan")}},
        {"text": "x", "metadata": {"a": "\ud800"}},
        {"text": "x", "metadata": {"a": 2**64}},
        {"text": "x", "metadata": json.loads('{"a":' * 20 + "1" + "}" * 20)},
        {"text": "x", "file": "x"},
    ],
)
def test_wrong_documents_are_refused(wrong):
    with pytest.raises(ValidationError):
        DocumentIn.model_validate(wrong)


def test_a_fault_names_its_field():
    with pytest.raises(ValidationError) as caught:
        QueryIn.model_validate({"question": "x", "filter": {"a": {"near": 1}}})

    (fault,) = caught.value.errors()
    assert fault["loc"] == ("filter",)
    assert "filter:" not in fault["msg"]


def test_metadata_and_filters_have_a_bound():
    longest = "x" * (MAX_FACTS_BYTES - len('{"a": ""}'))
    DocumentIn(text="x", metadata={"a": longest})
    QueryIn(question="Why?", filter={"a": longest})
    for kind, sent in (
        (DocumentIn, {"text": "x", "metadata": {"a": longest + "x"}}),
        (QueryIn, {"question": "Why?", "filter": {"a": longest + "x"}}),
    ):
        with pytest.raises(ValidationError, match=str(MAX_FACTS_BYTES)):
            kind(**sent)


def test_a_title_steers_nothing():
    assert DocumentIn(text="x", title="\x1b[31mRed\u202e\n title ").title == "[31mRed title"
    with pytest.raises(ValidationError, match="no character that shows"):
        DocumentIn(text="x", title="\u202e\u200b")
