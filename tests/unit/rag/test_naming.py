"""Names and identifiers."""

import pytest

from rag.naming import (
    checked_collection_name,
    checked_document_id,
    document_id_of,
    document_id_of_file,
    document_id_of_names,
    generation_of,
    point_id,
    scratch_job,
    scratch_name,
    second_document_id,
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


@pytest.mark.parametrize(
    ("path", "document_id"),
    [
        ("report.pdf", "report.pdf"),
        ("guides/vpn.md", "guides/vpn.md"),
        ("./guides//vpn.md", "guides/vpn.md"),
        ("../../etc/vpn.md", "etc/vpn.md"),
        ("guides\\vpn.md", "guides/vpn.md"),
        ("/srv/files/vpn.md", "vpn.md"),
        ("C:\\Users\\me\\vpn.md", "vpn.md"),
        ("Mu\u0308nchen.md", "M\u00fcnchen.md"),
        ("", ""),
        ("../", ""),
    ],
)
def test_a_file_is_known_by_its_path(path: str, document_id: str) -> None:
    assert document_id_of_file(path) == document_id


@pytest.mark.parametrize("path", ["a\nb.md", "x" * 300 + "/vpn.md", "\udcff.md", "\u202e", "y" * 256 + ".md"])
def test_a_path_that_is_no_id_becomes_one_of_its_own(path: str) -> None:
    document_id = document_id_of_file(path)

    assert checked_document_id(document_id) == document_id == document_id_of_file(path)
    assert document_id.encode()
    assert document_id_of_file("z" + path) != document_id


@pytest.mark.parametrize(
    ("names", "document_id"),
    [
        (["guides", "vpn.md"], "guides/vpn.md"),
        (["a\nb.md"], "a%0Ab.md"),
        (["\udce4.md"], "%E4.md"),
        (["\u202egpj.md"], "%E2%80%AEgpj.md"),
        (["back\\slash.md"], "back%5Cslash.md"),
        (["  "], "%20%20"),
        (["100% sure, a%20b and Pr%C3%BCfung.md"], "100% sure, a%20b and Pr%C3%BCfung.md"),
        (["C:", "vpn.md"], "C:/vpn.md"),
        (["Mu\u0308nchen.md"], "M\u00fcnchen.md"),
    ],
)
def test_what_no_id_can_hold_is_shown_encoded(names: list[str], document_id: str) -> None:
    assert document_id_of_names(names) == document_id
    assert checked_document_id(document_id)


@pytest.mark.parametrize("name", ["a\nb", "\udcff", "\\", " ", "a\tb%", "%\n0A"])
def test_a_name_that_looks_encoded_is_another_than_the_name_that_it_encodes(name: str) -> None:
    levels = [name]
    for _ in range(4):
        levels.append(document_id_of_names([levels[-1]]))

    assert len({*map(document_id_of_names, ([level] for level in levels))}) == len(levels)


def test_accents_that_are_encoded_in_two_ways_can_be_told_apart() -> None:
    assert document_id_of_names(["e\u0301.md"]) == document_id_of_names(["\u00e9.md"])
    assert document_id_of_names(["e\u0301\n.md"], composed=False) == "e%CC%81%0A.md"


@pytest.mark.parametrize(
    "document_id", ["guides/report.pdf", "report", "x" * 256, "x" * 250 + ".pdf", "a." + "y" * 254]
)
def test_a_second_document_has_an_id_of_its_own_beside_the_first(document_id: str) -> None:
    second = second_document_id(document_id, "one content")

    assert checked_document_id(second) == second != document_id
    assert second == second_document_id(document_id, "one content")
    assert second != second_document_id(document_id, "another content")
    assert second[0] == document_id[0]


def test_a_second_document_keeps_its_suffix() -> None:
    assert second_document_id("guides/report.pdf", "x").startswith("guides/report~")
    assert second_document_id("guides/report.pdf", "x").endswith(".pdf")
