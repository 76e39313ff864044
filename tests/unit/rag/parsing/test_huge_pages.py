"""Huge pages for a process that forks."""

import sys

import pytest

from rag.parsing.huge_pages import _private_memory, take_huge_pages

_MAPS = """\
55c74d000000-55c750000000 rw-p 00000000 00:00 0                          [heap]
7fc5d1600000-7fc5d1a00000 rw-p 00000000 00:00 0
7fc5d2000000-7fc5d2400000 rw-s 00000000 00:01 7                          /dev/zero (deleted)
7fc5d3000000-7fc5d3400000 r-xp 00000000 fe:00 42                         /usr/lib/a name.so
7fc5d4000000-7fc5d4400000 rw-p 00000000 fe:00 42                         /usr/lib/a name.so
"""


def test_memory_of_this_process_alone_is_private():
    assert list(_private_memory(_MAPS)) == [
        (0x55C74D000000, 0x55C750000000),
        (0x7FC5D1600000, 0x7FC5D1A00000),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux collapses pages")
def test_memory_keeps_what_it_holds():
    held = bytearray(range(256)) * (6 << 12)

    take_huge_pages()

    assert held == bytearray(range(256)) * (6 << 12)
