"""What is measured of a part: all of its processes, shared memory once, and the time of those that ended."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pypdfium2
import pytest

from bench.parts import Part, Parts
from bench.pdf import pdf_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process so")

FORKING = """
import os, sys
block = b"x" * 40_000_000
if os.fork():
    print("ready", flush=True)
sys.stdin.read()
"""
WORKING = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.5: pass"])
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def part(program: str) -> Iterator[Part]:
    """A part that runs ``program`` and is where it says that it is ready."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield Part("part", psutil.Process(process.pid))
        finally:
            assert process.stdin is not None
            process.stdin.close()


def test_memory_that_processes_share_by_a_fork_counts_once() -> None:
    with part(FORKING) as found:
        memory = found.memory()

    assert 40 < memory.own < 70
    assert memory.files > 1


def test_time_of_a_process_that_has_ended_counts() -> None:
    with part(WORKING) as found:
        assert found.processor_seconds() > 0.4


def test_the_most_that_a_part_took_is_kept(tmp_path: Path) -> None:
    with part(FORKING) as found, Parts("", tmp_path, (found,)).watched() as busiest:
        deadline = time.monotonic() + 30
        while not busiest["part"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert busiest["part"] > 40


def test_the_pages_of_a_pdf_hold_its_text() -> None:
    words = [f"word{number}" for number in range(2000)]

    with pypdfium2.PdfDocument(pdf_of(" ".join([*words, r"(\brackets\) and ü"]))) as file:
        pages = [page.get_textpage().get_text_range() for page in file]

    assert len(pages) > 3
    assert " ".join(pages).split() == [*words, r"(\brackets\)", "and", "ü"]
