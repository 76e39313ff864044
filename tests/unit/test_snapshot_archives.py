"""Files as tar streams without their holes."""

import io
import os
import subprocess
import tarfile

import pytest

from rag.stores.vectors.archives.archive import Archive, data_extents, extract

GRAIN = 16 * 1024
MEGABYTE = 1024 * 1024


@pytest.fixture
def root(tmp_path):
    """Files with holes in several places, and without."""
    root = tmp_path / "root"
    (root / "deep" / "empty").mkdir(parents=True)
    (root / "nothing").touch()
    (root / "deep" / "text").write_text("text")
    (root / ("long" * 30)).write_bytes(b"x" * 513)
    with (root / "deep" / "holes").open("wb") as file:
        for offset in (0, MEGABYTE, 3 * MEGABYTE - 5):
            file.seek(offset)
            file.write(b"data%d" % offset)
        file.truncate(8 * MEGABYTE)
    with (root / "hole").open("wb") as file:
        file.truncate(MEGABYTE)
    return root


def archive(root):
    return Archive(root, root.rglob("*"), GRAIN)


def files(root):
    return {path.relative_to(root): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_what_is_extracted_is_what_was_there(root, tmp_path):
    stream = io.BytesIO(b"".join(archive(root).read(0)))
    extract(stream, tmp_path / "out")
    assert files(tmp_path / "out") == files(root)
    assert (tmp_path / "out" / "deep" / "holes").stat().st_blocks * 512 < MEGABYTE


def test_gnu_tar_reads_it(root, tmp_path):
    (tmp_path / "out").mkdir()
    data = b"".join(archive(root).read(0))
    subprocess.run(["tar", "xf", "-", "-C", str(tmp_path / "out")], input=data, check=True)
    assert files(tmp_path / "out") == files(root)


def test_holes_are_left_out_and_its_size_is_told_before(root):
    data = b"".join(archive(root).read(0))
    assert len(data) == archive(root).size < 200_000


def test_it_is_read_from_any_byte_on(root):
    data = b"".join(archive(root).read(0))
    for start in (1, 511, 512, 20_000, len(data) - 1, len(data)):
        assert b"".join(archive(root).read(start)) == data[start:]


def test_it_is_the_same_whenever_the_files_are(root):
    before = b"".join(archive(root).read(0))
    os.utime(root / "deep" / "text", (1, 1))
    (root / "nothing").chmod(0o640)
    assert b"".join(archive(root).read(0)) == before


def test_a_file_that_grows_within_a_grain_keeps_what_is_before(tmp_path):
    path = tmp_path / "grows"
    path.write_bytes(b"a" * 100_000)
    os.truncate(path, 8 * MEGABYTE)
    before = b"".join(Archive(tmp_path, [path], MEGABYTE).read(0))
    with path.open("r+b") as file:
        file.seek(500_000)
        file.write(b"b" * 1000)
    after = b"".join(Archive(tmp_path, [path], MEGABYTE).read(0))
    assert len(before) == len(after)
    assert before[:400_000] == after[:400_000] != before[-400_000:]
    assert data_extents(path, MEGABYTE) == ((0, MEGABYTE),)


@pytest.mark.parametrize("name", ["../outside", "deep/../../outside"])
def test_nothing_is_extracted_elsewhere(tmp_path, name):
    with pytest.raises(tarfile.TarError):
        extract(forged(name), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_an_absolute_path_is_one_beneath_the_folder(tmp_path):
    extract(forged(f"{tmp_path}/outside"), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def forged(name):
    """An archive with this member."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    made.seek(0)
    return made
