"""What every BlobStore must do."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import pytest

from rag.blobs.store import PIECE_BYTES, ObstoreBlobs
from rag.errors import ConfigurationError, InvalidRequest, NotFound, Unavailable
from rag.ports import BlobStore
from tests.contract.buckets import BUCKETS, HTTP, address_of, in_bucket

MEGABYTE = 1_000_000


@pytest.fixture(params=BUCKETS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """An empty store."""
    if request.param == "s3":
        return in_bucket(request.getfixturevalue("s3"))
    folder = tmp_path / "with spaces" / "ü"
    return ObstoreBlobs(address_of(request.param, folder), HTTP)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


class TestBytes:
    def test_they_come_back(self, blobs: BlobStore) -> None:
        blobs.put("sources/docs-1/a", b"\x00\xff" * 1000)
        blobs.put("empty", b"")
        assert blobs.get("sources/docs-1/a") == b"\x00\xff" * 1000
        assert blobs.get("empty") == b""

    @pytest.mark.parametrize("count", [1, 40])
    def test_many_come_at_once(self, blobs: BlobStore, count: int) -> None:
        blobs.put_all({f"sources/{n}": f"bytes {n}".encode() for n in range(count)} | {"file": BytesIO(b"f")})

        assert [blobs.get(f"sources/{n}") for n in range(count)] == [
            f"bytes {n}".encode() for n in range(count)
        ]
        assert blobs.get("file") == b"f"

    @pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 2 * PIECE_BYTES + 1])
    def test_they_come_in_pieces(self, blobs: BlobStore, size: int) -> None:
        data = os.urandom(size)
        blobs.put("a", data)
        pieces = list(blobs.pieces("a"))
        assert b"".join(pieces) == data
        assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
        with pytest.raises(NotFound):
            next(blobs.pieces("unknown"))

    @pytest.mark.parametrize(("start", "end"), [(0, 10), (3, 7), (5, None), (0, 99), (10, None), (7, 7)])
    def test_a_part_of_them_comes_alone(self, blobs: BlobStore, start: int, end: int | None) -> None:
        data = bytes(range(10))
        blobs.put("a", data)
        pieces = list(blobs.pieces("a", start, end, at_once=4))
        assert b"".join(pieces) == data[start:end]
        assert all(0 < len(piece) <= 4 for piece in pieces)

    def test_they_are_measured_without_being_read(self, blobs: BlobStore) -> None:
        blobs.put("a", b"12345")
        blobs.put("empty", b"")
        assert (blobs.length("a"), blobs.length("empty")) == (5, 0)
        with pytest.raises(NotFound):
            blobs.length("unknown")

    @pytest.mark.parametrize("size", [0, 5, 10 * MEGABYTE])
    def test_a_copy_outlives_what_it_was_made_of(self, blobs: BlobStore, size: int) -> None:
        data = os.urandom(size)
        blobs.put("sources/docs-1/a", data)
        blobs.copy("sources/docs-1/a", "sources/docs-2/b")
        blobs.put("sources/docs-1/a", b"another")
        blobs.delete("sources/docs-1/a")
        assert blobs.get("sources/docs-2/b") == data
        with pytest.raises(NotFound):
            blobs.copy("unknown", "b")
        with pytest.raises(InvalidRequest):
            blobs.copy("sources/docs-2/b", "../b")

    def test_the_last_put_counts(self, blobs: BlobStore) -> None:
        blobs.put("a", b"first, and longer")
        blobs.put("a", b"second")
        assert blobs.get("a") == b"second"

    def test_an_unknown_key_is_not_found(self, blobs: BlobStore) -> None:
        blobs.put("a/b", b"1")
        for key in ("x", "a", "a/bx"):
            with pytest.raises(NotFound):
                blobs.get(key)
            assert not blobs.exists(key)

    def test_deleting_twice_is_fine(self, blobs: BlobStore) -> None:
        blobs.put("a", b"1")
        assert blobs.exists("a")
        blobs.delete("a")
        blobs.delete("a")
        assert not blobs.exists("a")

    def test_many_may_write_and_delete_side_by_side(self, blobs: BlobStore) -> None:
        def cycle(n: int) -> bytes:
            key = f"work/{n % 4}/{n}"
            blobs.put(key, str(n).encode())
            data = blobs.get(key)
            blobs.delete(key)
            return data

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(cycle, range(100))) == [str(n).encode() for n in range(100)]
        assert list(blobs.keys("work")) == []


class TestFiles:
    def test_a_file_is_read_from_where_it_stands(self, blobs: BlobStore) -> None:
        file = BytesIO(b"0123456789")
        file.seek(4)
        blobs.put("a", file)
        assert blobs.get("a") == b"456789"

    @pytest.mark.parametrize("size", [10, 12 * MEGABYTE], ids=["in memory", "on disk and in parts"])
    def test_an_upload_is_stored_whole(self, blobs: BlobStore, size: int) -> None:
        data = os.urandom(size)
        with SpooledTemporaryFile(max_size=MEGABYTE) as upload:
            upload.write(data)
            upload.seek(0)
            blobs.put("upload", cast(BinaryIO, upload))
        assert blobs.get("upload") == data

    def test_one_that_breaks_leaves_nothing(self, blobs: BlobStore) -> None:
        class Breaking(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 6 * MEGABYTE:
                    raise OSError("the client went away")
                return super().read(size)

        with pytest.raises(Unavailable, match="went away"):
            blobs.put("a", Breaking(bytes(20 * MEGABYTE)))
        assert not blobs.exists("a")
        assert list(blobs.keys("")) == []


class TestKeys:
    def test_listing_is_by_folder(self, blobs: BlobStore) -> None:
        for key in ("work/1/a", "work/1/b/c", "work/10/a", "worker/1", "top"):
            blobs.put(key, b"")
        assert sorted(blobs.keys("work/1/")) == sorted(blobs.keys("work/1")) == ["work/1/a", "work/1/b/c"]
        assert len(list(blobs.keys(""))) == 5
        assert list(blobs.keys("nothing/")) == []

    def test_sizes_are_by_folder(self, blobs: BlobStore) -> None:
        for key, data in (("work/1/a", b"123"), ("work/1/b/c", b""), ("worker/1", b"1")):
            blobs.put(key, data)
        assert blobs.sizes("work") == {"work/1/a": 3, "work/1/b/c": 0}
        assert blobs.sizes("nothing") == {}

    def test_a_listing_may_be_long(self, blobs: BlobStore) -> None:
        keys = {f"many/{n:04}" for n in range(1010)}  # a page of S3's has 1,000
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: blobs.put(key, b"", durable=False), keys))
        assert sorted(blobs.keys("many")) == sorted(keys)

    @pytest.mark.parametrize(
        "key", ["a b", "ü/日本", "100%", "%2e%2e/x", "a:b?c=d&e*", "..x", "~", "a+b", "[1]"]
    )
    def test_odd_characters_are_kept(self, blobs: BlobStore, key: str) -> None:
        blobs.put(key, b"1")
        assert blobs.get(key) == b"1"
        assert list(blobs.keys("")) == [key]

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../../b",
            "./a",
            "a\0b",
            "a\nb",
            "a#12",
            "a\\b",
            "x" * 251,
            "x/" * 600 + "x",
        ],
    )
    def test_keys_that_lead_elsewhere_are_refused(self, blobs: BlobStore, key: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: blobs.put(key, b"1"),
            lambda: blobs.get(key),
            lambda: blobs.exists(key),
            lambda: blobs.delete(key),
        ]
        for call in calls:
            with pytest.raises(InvalidRequest):
                call()


class TestFolder:
    def test_blobs_outlive_the_store(self, folder: Path) -> None:
        ObstoreBlobs(folder.as_uri()).put("a/b", b"1")
        assert ObstoreBlobs(folder.as_uri()).get("a/b") == b"1"

    def test_only_the_owner_may_look_inside(self, folder: Path) -> None:
        ObstoreBlobs(folder.as_uri())
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_empty_folders_go(self, folder: Path) -> None:
        blobs = ObstoreBlobs(folder.as_uri())
        blobs.put("work/1/a", b"1")
        blobs.delete("work/1/a")
        assert not (folder / "work").exists()

    def test_what_a_killed_process_left_unfinished_hinders_nobody(self, folder: Path) -> None:
        blobs = ObstoreBlobs(folder.as_uri())
        blobs.put("work/1/b", b"1")
        (folder / "work/1/a#1").write_bytes(b"unfinish")

        blobs.put("work/1/a", b"whole")

        assert blobs.get("work/1/a") == b"whole"
        assert sorted(blobs.keys("work")) == ["work/1/a", "work/1/b"]

    def test_a_full_disk_is_told_as_that(self, tmp_path: Path) -> None:
        program = f"""
from rag.errors import Unavailable
from rag.blobs.store import PIECE_BYTES, ObstoreBlobs

blobs = ObstoreBlobs({tmp_path.as_uri()!r})
blobs.put("small", b"1")
try:
    blobs.put("big", bytes(1_000_000))
except Unavailable as error:
    print(error, list(blobs.keys("")))
"""
        inside = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3"'
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", inside, "-", str(tmp_path), sys.executable, program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "mount:" in done.stderr or "unshare:" in done.stderr:
            pytest.skip("no small disk can be made here")
        assert "is full: free some space" in done.stdout, done.stderr
        assert "['small']" in done.stdout

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_cannot_be_made_stops_the_start(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(ConfigurationError, match="BLOB_URL"):
            ObstoreBlobs((tmp_path / "blobs").as_uri())

    def test_an_unknown_scheme_stops_the_start(self) -> None:
        with pytest.raises(ConfigurationError, match="BLOB_URL"):
            ObstoreBlobs("ftp://host/folder")

    def test_a_forked_process_is_told_rather_than_hung(self, folder: Path) -> None:
        blobs = ObstoreBlobs(folder.as_uri())
        blobs.put("a", b"1")
        child = os.fork()
        if child == 0:
            try:
                blobs.get("a")
            except RuntimeError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
