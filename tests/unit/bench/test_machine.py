"""The line that says where figures were taken."""

import os

from bench.machine import describe_machine


def test_the_line_names_cores_memory_system_and_load() -> None:
    line = describe_machine()

    assert f"{os.cpu_count()} cores" in line
    assert all(part in line for part in ("GiB", "Python 3.", "load"))
    assert "\n" not in line
