"""Collections on disk: whole or not there, and one owner."""

import pytest

from rag.errors import Conflict, InvalidRequest
from rag.model import CollectionSpec
from rag.vectors.edge import folders

SPEC = CollectionSpec(3, 2)


def make(root, name):
    return folders.publish(folders.create_draft(root, name, SPEC), root)


def test_a_published_draft_is_found_with_its_spec(tmp_path):
    made = make(tmp_path, "Docs-1")
    assert folders.found(tmp_path) == [made]
    assert (made.name, made.spec) == ("Docs-1", SPEC)


def test_a_draft_does_not_count_and_is_swept(tmp_path):
    folders.create_draft(tmp_path, "docs", SPEC)
    assert folders.found(tmp_path) == []
    folders.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_being_removed_is_swept(tmp_path):
    made = make(tmp_path, "docs")
    made.path.rename(tmp_path / ".gone-1")
    folders.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_collection_is_gone(tmp_path):
    folders.remove(make(tmp_path, "docs").path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_description_hides_only_its_own_collection(tmp_path, caplog):
    kept, damaged = make(tmp_path, "kept"), make(tmp_path, "damaged")
    (damaged.path / "collection.json").write_text("{")
    assert folders.found(tmp_path) == [kept]
    assert str(damaged.path) in caplog.text


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme").write_text("mine")
    folders.sweep(tmp_path)
    assert folders.found(tmp_path) == []
    assert (tmp_path / "notes" / "readme").exists()


def test_names_that_differ_in_case_have_folders_that_differ_in_more(tmp_path):
    paths = {make(tmp_path, name).path.name.lower() for name in ("docs", "Docs", "DOCS")}
    assert len(paths) == 3


@pytest.mark.parametrize("name", ["..", "a/b", "", "-a", "a\n"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(InvalidRequest):
        folders.create_draft(tmp_path, name, SPEC)


def test_the_folder_has_one_owner_at_a_time(tmp_path):
    with folders.lock(tmp_path / "vectors"), pytest.raises(Conflict, match="another vector engine"):
        folders.lock(tmp_path / "vectors")
    folders.lock(tmp_path / "vectors").close()
