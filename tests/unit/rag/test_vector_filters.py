"""The filter language: what is read, what is refused, and that both sides agree on terms."""

import pytest

from rag.errors import InvalidRequest
from rag.filters import MAX_DEPTH, MAX_FACTS, AnyOf, Between, facts_of, parse


def terms_of(**metadata: object) -> tuple[str, ...]:
    return facts_of("doc", "Title", metadata).terms


def test_a_filter_becomes_conditions_in_order():
    conditions = parse({"lang": "en", "year": {"gte": 2020, "lt": 2025}, "tags": ["a", "b"]})
    assert conditions == (
        AnyOf("lang", ("en",)),
        Between("year", dates=False, gte=2020.0, lt=2025.0),
        AnyOf("tags", ("a", "b")),
    )


def test_no_filter_is_no_condition():
    assert parse({}) == ()


def test_dates_without_a_zone_are_utc():
    assert parse({"issued": {"gte": "1970-01-02", "lt": "1970-01-02T01:00:00+01:00"}}) == (
        Between("issued", dates=True, gte=86400.0, lt=86400.0),
    )


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ([], "object"),
        ({"": 1}, "no field name"),
        ({"a..b": 1}, "no field name"),
        ({"\ud800": 1}, "no field name"),
        ({"a": None}, "compared with"),
        ({"a": [None]}, "compared with"),
        ({"a": [["b"]]}, "compared with"),
        ({"a": float("nan")}, "compared with"),
        ({"a": "\ud800"}, "compared with"),
        ({"a": []}, "1 to"),
        ({"a": list(range(300))}, "1 to"),
        ({"a": {}}, "range"),
        ({"a": {"eq": 1}}, "range"),
        ({"a": {"gte": True}}, "finite numbers"),
        ({"a": {"gte": float("inf")}}, "finite numbers"),
        ({"a": {"gte": 1, "lt": "2024-01-01"}}, "finite numbers"),
        ({"a": {"gte": "soon"}}, "ISO 8601"),
        ({"title": {"gte": 1}}, "no range"),
        ({'a"b': {"gte": 1}}, "by range"),
        ({f"f{number}": 1 for number in range(33)}, "fields"),
    ],
)
def test_a_bad_filter_is_refused_with_its_reason(where, reason):
    with pytest.raises(InvalidRequest, match=reason):
        parse(where)


@pytest.mark.parametrize(
    ("wanted", "stored", "fits"),
    [
        (2020, 2020.0, True),
        (2020.0, 2020, True),
        ("2020", 2020, False),
        (1, True, False),
        (True, True, True),
        ("é", "é", True),
        ("x" * 1000, "x" * 1000, True),
        ("x" * 1000, "x" * 999 + "y", False),
        (2**63 - 1, 2**63 - 2, False),
    ],
)
def test_equality(wanted, stored, fits):
    (condition,) = parse({"key": wanted})
    assert bool(set(condition.terms) & set(terms_of(key=stored))) is fits


def test_lists_and_objects_are_searched_through():
    terms = terms_of(authors=[{"name": "Curie"}, {"name": "Bohr"}], tags=["x", ["y"]], none=None)
    assert set(terms) >= {'authors.name="Curie"', 'authors.name="Bohr"', 'tags="x"', 'tags="y"'}
    assert not any(term.startswith("none") for term in terms)


def test_metadata_cannot_pose_as_the_passages_own_fields():
    assert set(terms_of(title="Other", document_id="other")) == {'title="Title"', 'document_id="doc"'}


def test_numbers_and_dates_are_kept_by_path():
    facts = facts_of(
        "doc", "Title", {"a": {"n": [1, 2.5, True, "3"]}, "at": "1970-01-02", "name": "1970 or so"}
    )
    assert facts.numbers == {"a.n": [1.0, 2.5]}
    assert facts.dates == {"at": [86400.0]}


@pytest.mark.parametrize(
    "metadata",
    [
        {"x": float("inf")},
        {"x": 2**63},
        {"x": object()},
        {1: "x"},
        {"x": "\udc00"},
        {"x": list(range(MAX_FACTS + 1))},
    ],
)
def test_metadata_that_an_engine_would_mishandle_is_refused(metadata):
    with pytest.raises(InvalidRequest, match="metadata"):
        facts_of("doc", "Title", metadata)


def test_metadata_nested_too_deep_is_refused():
    deep: object = 1
    for _ in range(MAX_DEPTH + 1):
        deep = {"a": deep}
    with pytest.raises(InvalidRequest, match="deeper"):
        facts_of("doc", "Title", {"a": deep})
