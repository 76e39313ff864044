"""What only a bucket can show: checksums, credentials, parts, encryption, and an endpoint that is away."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pytest

from rag.blobs.buckets import Access
from rag.errors import Refused, Unavailable
from tests.contract.buckets import in_bucket, through
from tests.s3server import S3Server
from tests.system.running import free_port

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20
MARK = b"the text as it was sent"


PATIENCE = 120  # seconds, on a machine that is busy with other tests

START = """
from rag.settings import load
from rag.startup import starting
from rag.backups.startup_check import check_blobs
with starting("it"):
    check_blobs(load())
"""


def start(variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A process that begins as all do, with these variables."""
    return subprocess.Popen(
        [sys.executable, "-c", START],
        cwd=ROOT,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


def damaged(data: bytes) -> bytes:
    return data.replace(MARK, MARK.swapcase())


class TestChecksums:
    def test_the_server_refuses_what_arrives_changed(self, s3: S3Server) -> None:
        with through(s3, outward=damaged) as proxy:
            blobs = in_bucket(proxy, "changed")
            blobs.put("well", b"another text")
            for size in (1, 10 * MEGABYTE // len(MARK)):  # in one request, and in parts
                with pytest.raises(Unavailable):
                    blobs.put("a", MARK * size)

        assert list(in_bucket(s3, "changed").keys("")) == ["well"]

    def test_a_reader_notices_what_comes_back_changed(self, s3: S3Server) -> None:
        with through(s3, inward=damaged) as proxy:
            blobs = in_bucket(proxy, "read")
            blobs.put("a", MARK)
            with pytest.raises(Unavailable, match="a is damaged"):
                blobs.get("a")
            with pytest.raises(Unavailable, match="a is damaged"):
                list(blobs.pieces("a"))

        assert in_bucket(s3, "read").get("a") == MARK


class TestParts:
    def test_a_large_file_takes_little_memory(self, s3: S3Server) -> None:
        blobs, size = in_bucket(s3), 96 * MEGABYTE
        blobs.put("warm", b"")
        with TemporaryFile() as file:
            block = os.urandom(MEGABYTE)
            for n in range(size // MEGABYTE):
                file.write(block[n:] + block[:n])
            file.seek(0)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            blobs.put("large", cast(BinaryIO, file))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            file.seek(0)
            assert blobs.get("large") == file.read()
        assert grown < 72 * MEGABYTE

    def test_an_upload_that_is_killed_leaves_no_object(self, s3: S3Server, tmp_path: Path) -> None:
        program = f"""
import os, signal
from io import BytesIO
from tests.contract.buckets import in_bucket
from tests.s3server import S3Server

class Deadly(BytesIO):
    hashed = False
    def seek(self, *place):
        self.hashed = True
        return super().seek(*place)
    def read(self, size=-1):
        if self.hashed and self.tell() > 20_000_000:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)

in_bucket(S3Server({s3.port}), "killed").put("a", Deadly(bytes(40_000_000)))
"""
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=120, check=False)
        blobs = in_bucket(s3, "killed")
        assert done.returncode == -9
        assert not blobs.exists("a")
        assert list(blobs.keys("")) == []


class TestRefusals:
    def test_a_wrong_setting_stops_the_start_in_one_line(self, s3: S3Server) -> None:
        cases = {
            "AWS_SECRET_ACCESS_KEY is wrong": {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "AWS_ACCESS_KEY_ID is not known there": {"AWS_ACCESS_KEY_ID": "wrong"},
            "the bucket is not there": {"BLOB_URL": "s3://no-such-bucket/blobs"},
            "set AWS_ALLOW_HTTP=true": {"AWS_ALLOW_HTTP": "false"},
        }
        started = {said: start({**s3.environment, **variables}) for said, variables in cases.items()}

        for said, process in started.items():
            (line,) = process.communicate(timeout=PATIENCE)[1].splitlines()
            assert process.returncode != 0
            assert line.startswith("it cannot start: Blob store s3://")
            assert said in line

    def test_later_it_is_as_if_the_store_were_away(self, s3: S3Server) -> None:
        blobs = in_bucket(s3, AWS_SECRET_ACCESS_KEY="wrong")
        for call in (lambda: blobs.put("a", b"1"), lambda: blobs.get("a"), lambda: blobs.exists("a")):
            with pytest.raises(Refused):
                call()

    def test_a_missing_bucket_is_no_missing_blob(self, s3: S3Server) -> None:
        blobs = in_bucket(S3Server(s3.port, "s3://no-such-bucket"))
        with pytest.raises(Refused, match="the bucket is not there"):
            blobs.get("a")
        with pytest.raises(Refused):
            blobs.put("a", b"1")

    def test_a_store_that_is_away_stops_no_start_and_fails_soon(self) -> None:
        away = S3Server(free_port())
        process = start(away.environment)

        began = time.monotonic()
        with pytest.raises(Unavailable):
            in_bucket(away).put("a", b"1")
        assert time.monotonic() - began < 10

        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0
        assert "is not ready" in said


def test_encryption_is_asked_for_with_every_write(s3: S3Server) -> None:
    sent = bytearray()

    def noted(data: bytes) -> bytes:
        sent.extend(data)
        return data

    with through(s3, outward=noted) as proxy:
        blobs = in_bucket(proxy, access=Access("AES256", allow_http=True))
        blobs.put("small", b"1")
        blobs.put("large", bytes(10 * MEGABYTE))
        assert blobs.get("large") == bytes(10 * MEGABYTE)

    asked = bytes(sent).count(b"x-amz-server-side-encryption: AES256")
    assert asked == 2, "once for the small one, once for the upload of the large one"
