"""Where several API processes of one server put their figures."""

import os
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import psutil
import pytest

from api import main


def test_what_an_ended_process_said_of_its_state_is_no_longer_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    server = psutil.Process(os.getppid())
    folder = tmp_path / f"metrics-{gethostname()}-{int(server.create_time())}-{server.pid}"
    folder.mkdir()
    kept = [f"gauge_livemin_{os.getpid()}.db", f"counter_{ended.pid}.db"]
    for name in (*kept, f"gauge_livemin_{ended.pid}.db"):
        (folder / name).touch()

    main._share_metrics(tmp_path)

    assert sorted(file.name for file in folder.iterdir()) == sorted(kept)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)


def test_folders_of_servers_that_are_gone_are_removed_and_those_of_other_hosts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    earlier = tmp_path / f"metrics-{gethostname()}-5-{os.getppid()}"  # the same id, before a restart
    gone = tmp_path / f"metrics-{gethostname()}-9-{ended.pid}"
    elsewhere = tmp_path / f"metrics-another-9-{ended.pid}"
    alive = tmp_path / f"metrics-{gethostname()}-9-1"
    for folder in (earlier, gone, elsewhere, alive):
        folder.mkdir()

    main._share_metrics(tmp_path)

    ours = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert set(tmp_path.iterdir()) == {ours, elsewhere, alive}
