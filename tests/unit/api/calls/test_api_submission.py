"""What the headers of a submit mean."""

import pytest

from api.calls.submission import digest, idempotency_of
from api.calls.waiting import LONGEST_WAIT, preferred_wait
from rag.errors import InvalidRequest


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10; x=1"], 10),
        (["wait=10, wait=20"], 10),
        (["wait=600"], LONGEST_WAIT),
        (["wait=0"], 0),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=soon"], None),
        (["handling=lenient"], None),
        (['foo="a, wait=3"'], None),
        (['foo="a, \\" wait=3", wait=4'], 4),
        (['wait="10'], None),
        (['wait=10"'], None),
    ],
)
def test_prefer_header(headers, seconds):
    assert preferred_wait(headers) == seconds


def test_a_digest_does_not_hang_on_the_order_of_members():
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_without_a_key_there_is_no_idempotency():
    assert idempotency_of(None, "alice", "/v1/queries", {}) is None


def test_a_key_is_the_callers_and_the_paths_own():
    made = [
        idempotency_of("k", caller, path, {})
        for path in ("/v1/queries", "/v1/documents")
        for caller in ("alice", "bob")
    ]

    assert len({idempotency.key for idempotency in made if idempotency}) == 4


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_keys_that_cannot_be_kept_are_refused(key):
    with pytest.raises(InvalidRequest):
        idempotency_of(key, "alice", "/v1/queries", {})
