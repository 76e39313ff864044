"""Names and identifiers."""

import pytest

from rag.naming import (
    checked_collection_name,
    checked_document_id,
    document_id_of,
    generation_of,
    point_id,
    scratch_job,
    scratch_name,
    store_name,
)


@pytest.mark.parametrize("name", ["a", "aegis_docs_v2", "A-1", "x" * 63])
def test_names_that_may_name_a_collection(name: str) -> None:
    assert checked_collection_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a b", "ä", "x" * 64, "a/b", "..", "a\n"])
def test_names_that_may_not(name: str) -> None:
    with pytest.raises(ValueError, match="collection name"):
        checked_collection_name(name)


@pytest.mark.parametrize("document_id", ["", "x" * 257, "a\nb", "\x00"])
def test_document_ids_that_are_refused(document_id: str) -> None:
    with pytest.raises(ValueError, match="document_id"):
        checked_document_id(document_id)


def test_point_ids_differ_by_each_part_and_never_otherwise() -> None:
    ids = {
        point_id("c", "d", 1, 0), point_id("c", "d", 1, 1), point_id("c", "d", 2, 0),
        point_id("c", "e", 1, 0), point_id("b", "d", 1, 0), point_id("cd", "", 1, 0),
    }  # fmt: skip

    assert len(ids) == 6
    assert point_id("c", "d", 1, 0) in ids


def test_the_same_source_has_the_same_document_id() -> None:
    assert document_id_of("url:http://a") == document_id_of("url:http://a") != document_id_of("url:http://b")


def test_a_store_tells_its_generation() -> None:
    assert generation_of(store_name("docs", 12, 0), "docs") == 12
    assert generation_of(store_name("docs", 2, 3), "docs") == 2


@pytest.mark.parametrize(
    "store", ["docs", "docs-x", "docs-1-2", "docs-01", "docs-1.x", "other-1", "scratch.j.0"]
)
def test_other_stores_are_of_no_generation(store: str) -> None:
    assert generation_of(store, "docs") is None


def test_a_scratch_store_tells_its_job() -> None:
    assert scratch_job(scratch_name("job", 7)) == "job"
    assert scratch_job(store_name("scratch", 1, 0)) is scratch_job(store_name("scratch", 1, 2)) is None
