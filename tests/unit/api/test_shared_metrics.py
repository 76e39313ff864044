"""Where several API processes of one server put their figures."""

import os
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from api import main


def test_what_an_ended_process_said_of_its_state_is_no_longer_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    folder = tmp_path / f"metrics-{gethostname()}-{os.getppid()}"
    folder.mkdir()
    kept = [f"gauge_livemin_{os.getpid()}.db", f"counter_{ended.pid}.db"]
    for name in (*kept, f"gauge_livemin_{ended.pid}.db"):
        (folder / name).touch()

    main._share_metrics(tmp_path)

    assert sorted(file.name for file in folder.iterdir()) == sorted(kept)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
