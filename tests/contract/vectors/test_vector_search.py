"""What every vector store finds, in which order, and with which scores."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from rag.model import DocumentVersion, Hit, Point, SearchQuery
from rag.ports import VectorStore
from rag.vectors.edge.store import EdgeVectorStore
from tests.contract.vectors.points import (
    DENSE_WEIGHT,
    DIMENSION,
    DOCS,
    SPEC,
    axis,
    documents,
    point,
    query,
    sparse,
)

# --- searching ---------------------------------------------------------------------------


def test_the_nearer_passage_comes_first(store):
    near, far = np.array([0.9, 0.1] + [0] * 6, np.float32), np.array([0.1, 0.9] + [0] * 6, np.float32)
    store.upsert(DOCS, [point("far", dense=far), point("near", dense=near)])
    hits = store.search(DOCS, query(axis(0)))
    assert documents(hits) == ["near", "far"]
    assert hits[0].score == pytest.approx(DENSE_WEIGHT * 0.9 / np.hypot(0.9, 0.1), abs=1e-4)


def test_a_rare_term_lifts_a_passage_over_a_nearer_one(store):
    fill = [point("fill", index, dense=axis(7)) for index in range(50)]
    named = point("named", dense=np.array([0.8, 0.6] + [0] * 6, np.float32), terms=sparse(t1=1, t9=2))
    store.upsert(DOCS, [*fill, named, point("near", dense=axis(0))])
    assert documents(store.search(DOCS, query(limit=2))) == ["near", "named"]
    assert documents(store.search(DOCS, query(terms=sparse(t9=1), limit=2))) == ["named", "near"]


def test_a_term_of_every_passage_says_little(store):
    store.upsert(DOCS, [point("a", index, terms=sparse(t1=1)) for index in range(40)])
    store.upsert(DOCS, [point("b", index, terms=sparse(t1=1, t2=1)) for index in range(2)])
    common = store.search(DOCS, query(axis(7), sparse(t1=1), limit=1))[0]
    rare = store.search(DOCS, query(axis(7), sparse(t2=1), limit=60))
    lift = {hit.passage.document_id: hit.score for hit in rare if hit.passage.index < 2}
    assert lift["b"] - lift["a"] > 2.0
    assert common.score < DENSE_WEIGHT + 0.5


def test_every_score_is_the_exact_sum_of_both_sides(store):
    """Also of passages that only one of the two searches brings among its best."""
    random = np.random.default_rng(7)
    vectors = random.normal(size=(400, DIMENSION)).astype(np.float32)
    points = [
        point(
            "d",
            index,
            dense=vector,
            terms=sparse(**{f"t{t}": 1.0 + t % 3 for t in random.choice(30, 5, replace=False)}),
        )
        for index, vector in enumerate(vectors)
    ]
    store.upsert(DOCS, points)
    wanted = query(random.normal(size=DIMENSION).astype(np.float32), sparse(t3=1.0, t4=1.0), limit=15)

    hits = store.search(DOCS, wanted)

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ (wanted.dense / np.linalg.norm(wanted.dense))
    near = cosines[[hit.passage.index for hit in hits]]
    expected = DENSE_WEIGHT * near + lexical_scores(store, wanted, hits)
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=2e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_query_says_how_much_its_vector_counts(store):
    named = point("named", dense=np.array([0.8, 0.6] + [0] * 6, np.float32), terms=sparse(t9=1))
    store.upsert(DOCS, [named, point("near", dense=axis(0))])
    wanted = query(terms=sparse(t9=1), limit=2)
    assert documents(store.search(DOCS, wanted)) == ["near", "named"]
    assert documents(store.search(DOCS, replace(wanted, vote=0.1))) == ["named", "near"]
    without = store.search(DOCS, replace(wanted, vote=0.0))
    assert documents(without)[0] == "named"
    assert without[1].score == pytest.approx(0, abs=1e-4)


def lexical_scores(store: VectorStore, wanted: SearchQuery, hits: list[Hit]) -> np.ndarray:
    """The lexical part of each hit's score: what it loses when the terms are left out."""
    alone = replace(wanted, sparse=sparse(), limit=400)
    by_id = {one.passage.chunk_id: one.score for one in store.search(DOCS, alone)}
    return np.array([hit.score - by_id[hit.passage.chunk_id] for hit in hits])


def test_at_most_limit_hits_come(store):
    store.upsert(DOCS, [point("a", index) for index in range(30)])
    assert len(store.search(DOCS, query(limit=7))) == 7
    assert len(store.search(DOCS, query(limit=100))) == 30


def test_a_new_version_is_found_beside_the_old_until_that_is_excluded(store):
    store.upsert(DOCS, [point("a", version=1), point("a", version=2), point("b", version=1)])
    hidden = (DocumentVersion("a", 1), DocumentVersion("c", 1))
    found = {
        (hit.passage.document_id, hit.passage.version) for hit in store.search(DOCS, query(exclude=hidden))
    }
    assert found == {("a", 2), ("b", 1)}


def test_many_versions_can_be_excluded(store):
    store.upsert(DOCS, [point(f"d{number}") for number in range(20)])
    hidden = tuple(DocumentVersion(f"d{number}", 1) for number in range(1, 2000))
    assert documents(store.search(DOCS, query(exclude=hidden))) == ["d0"]


METADATA = {
    "a": {
        "lang": "en",
        "year": 2020,
        "tags": ["x", "y"],
        "author": {"name": "Curie"},
        "issued": "2024-05-01",
    },
    "b": {"lang": "de", "year": 2022.0, "tags": ["y"], "draft": True, "issued": "2024-05-01T12:00:00+02:00"},
    "c": {"lang": "en", "year": 2024, "author": [{"name": "Bohr"}, {"name": "Curie"}], "odd key.é": 7},
    "d": {"year": "2022", "draft": 1, "title": "not the passage's title"},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "abcd"),
        ({"lang": "en"}, "ac"),
        ({"lang": "EN"}, ""),
        ({"lang": ["de", "fr"]}, "b"),
        ({"year": 2022}, "b"),
        ({"year": "2022"}, "d"),
        ({"draft": True}, "b"),
        ({"draft": 1}, "d"),
        ({"tags": "y"}, "ab"),
        ({"author.name": "Curie"}, "ac"),
        ({"year": {"gte": 2020, "lt": 2024}}, "ab"),
        ({"year": {"gt": 2020}}, "bc"),
        ({"year": {"lte": 2020}}, "a"),
        ({"issued": {"gte": "2024-05-01T01:00:00Z"}}, "b"),
        ({"issued": {"lt": "2024-05-01T10:00:00Z"}}, "a"),
        ({"odd key.é": {"gte": 7}}, "c"),
        ({"lang": "en", "year": {"gt": 2020}}, "c"),
        ({"document_id": ["a", "d"]}, "ad"),
        ({"title": "Title of b"}, "b"),
        ({"nothing": "here"}, ""),
    ],
)
def test_filters(store, where, expected):
    store.upsert(DOCS, [point(name, metadata=metadata) for name, metadata in METADATA.items()])
    assert "".join(sorted(documents(store.search(DOCS, query(where=where))))) == expected


def test_filters_hold_for_documents_that_came_before_the_field(store):
    store.upsert(DOCS, [point("a"), point("b", metadata={"year": 1})])
    store.upsert(DOCS, [point("c", metadata={"year": 2, "pages": 10})])
    assert documents(store.search(DOCS, query(where={"pages": {"gte": 1}}))) == ["c"]
    assert documents(store.search(DOCS, query(where={"year": {"gte": 1, "lt": 2}}))) == ["b"]


# --- the same answers everywhere -----------------------------------------------------------


def library(random: np.random.Generator) -> list[Point]:
    """300 passages whose vectors and terms lie at random, in three languages, ten years and four tenants."""
    return [
        point(
            f"d{number}",
            dense=random.normal(size=DIMENSION).astype(np.float32),
            terms=sparse(
                **{f"t{term}": float(random.uniform(0.5, 2)) for term in random.choice(40, 6, False)}
            ),
            metadata={
                "lang": ["en", "de", "fr"][number % 3],
                "year": 2015 + number % 10,
                "tenant": f"t{number % 4}",
            },
            tokens=None,
        )
        for number in range(300)
    ]


def questions(random: np.random.Generator) -> list[SearchQuery]:
    filters = [
        {},
        {"lang": "de"},
        {"year": {"gte": 2019}},
        {"tenant": "t1"},
        {"lang": ["en", "fr"], "year": 2020},
    ]
    return [
        query(
            random.normal(size=DIMENSION).astype(np.float32),
            sparse(**{f"t{term}": 1.0 for term in random.choice(40, number % 4, False)}),
            where=filters[number % len(filters)],
            limit=20,
            exclude=tuple(DocumentVersion(f"d{one}", 1) for one in range(number)),
        )
        for number in range(20)
    ]


def answers(store: VectorStore) -> list[list[Hit]]:
    random = np.random.default_rng(11)
    store.upsert(DOCS, library(random))
    return [store.search(DOCS, one) for one in questions(random)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[list[Hit]]:
    """The answers of the embedded engine."""
    with closing(EdgeVectorStore(tmp_path_factory.mktemp("edge"))) as edge:
        edge.ensure(DOCS, SPEC)
        return answers(edge)


def test_hybrid_answers_are_those_of_the_embedded_engine(store, expected):
    got = answers(store)
    assert [[hit.passage for hit in hits] for hits in got] == [
        [hit.passage for hit in hits] for hits in expected
    ]
    for ours, theirs in zip(got, expected, strict=True):
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-3)
