"""``python -m bench.sizing``: every part by itself, idle and at work, with a figure for each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.parts import OTHERS, STORES

AT_WORK = {
    "paragraph": {"api", "broker", "vectors", "worker-parse", "worker-embed", "worker-index"},
    "question": {"api", "broker", "vectors", "worker-embed-query", "worker-rerank", "worker-generate"},
}
"""The parts that each sort of work occupies, where it is done often enough for the clock of processes."""


@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process so")
def test_each_part_has_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "sizing.json"
    command = [sys.executable, "-m", "bench.sizing", "--quick", "--out", str(out)]

    told = subprocess.run(command, capture_output=True, text=True, timeout=1150, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(out.read_text("utf-8"))
    assert set(found["idle"]) == set(found["busiest"]) == set(found["rest"]) == {*STORES, *OTHERS}
    assert all(memory["own"] > 1 for memory in found["idle"].values())
    for work, parts in AT_WORK.items():
        seconds = found["works"][work]["seconds"]
        assert all(seconds[part] > 0 for part in parts), seconds
    assert found["works"]["chapter"]["seconds"]["worker-embed"] > 0.1
    assert any(name.startswith("vectors") and size > 0 for name, size in found["stored"].items())
