"""A copy of a folder that is written to meanwhile."""

import mmap
import os
import time

import pytest

from rag.errors import Unavailable
from rag.stores.vectors.copying import mirror as mirrors
from rag.stores.vectors.copying import sparse
from rag.stores.vectors.copying.mirror import Mirror, notes_changes

LONG_AGO = time.time() - 3600


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    for name in ("one", "two", "deep/three", "deep/tmp-four"):
        write(folder / name, b"first of " + name.encode())
    return folder


def write(path, data):
    path.write_bytes(data)
    os.utime(path, (LONG_AGO, LONG_AGO))


def mirror(source, *, noting):
    return Mirror(source, source.with_name("target"), without=("deep/tmp-",), noting=noting)


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def nothing():
    """Goes on."""


@pytest.mark.parametrize("noting", [True, False])
def test_it_is_brought_up_to_date(source, noting):
    copy = mirror(source, noting=noting)
    copy.refresh(nothing)
    (source / "two").write_bytes(b"second")
    (source / "one").unlink()
    (source / "deep" / "five").write_bytes(b"later")
    copy.refresh(nothing)
    (source / "two").write_bytes(b"third!")
    copy.finish(nothing)
    assert files(source.with_name("target")) == {
        "two": b"third!",
        "deep/three": b"first of deep/three",
        "deep/five": b"later",
    }


def test_only_what_changed_is_copied_in_the_end(source, monkeypatch):
    copy = mirror(source, noting=True)
    copy.refresh(nothing)
    (source / "two").write_bytes(b"second")
    copied = []
    monkeypatch.setattr(mirrors.sparse, "copy", lambda path, *_: copied.append(path.name))
    copy.finish(nothing)
    assert copied == ["two"]


def test_a_file_that_has_just_changed_is_copied_again_even_if_it_looks_the_same(source):
    copy = mirror(source, noting=True)
    (source / "two").write_bytes(b"second")
    stat = (source / "two").stat()
    copy.refresh(nothing)
    with (source / "two").open("r+b") as file:
        file.write(b"SECOND")
    os.utime(source / "two", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    copy.finish(nothing)
    assert files(source.with_name("target"))["two"] == b"SECOND"


@pytest.mark.parametrize("size", [5 << 20, 9 << 20])
def test_a_copy_is_brought_up_to_date_also_where_data_became_holes(tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_bytes(os.urandom(7 << 20))
    source.write_bytes(os.urandom(100))
    os.truncate(source, size)
    with source.open("r+b") as file:
        file.seek(3 << 20)
        file.write(b"data")
    sparse.copy(source, target, lambda _: None)
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_that_is_made_anew_has_holes_for_zeros(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(1 << 20) + b"data" + bytes(1 << 20))
    sparse.copy(source, target, lambda _: None)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 1 << 20


def test_it_can_be_ended(source):
    def end():
        raise Unavailable("enough")

    with pytest.raises(Unavailable, match="enough"):
        mirror(source, noting=True).refresh(end)


def test_whether_mapped_writes_are_noted_is_found_out(tmp_path):
    """Tested as the mirror relies on it: a file is synchronised, then written to through its map."""
    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as pages:
        pages[0] = 1
        os.fsync(file.fileno())
        before = path.stat().st_mtime_ns
        time.sleep(0.05)
        pages[1] = 1
        assert notes_changes(tmp_path) == (path.stat().st_mtime_ns != before)
