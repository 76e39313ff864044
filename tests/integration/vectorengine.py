"""The vector engine as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


class Engine:
    """``python -m rag.vectors.edge.server`` over ``home``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / "run" / "vectors.sock"
        self.process = self.started()
        self.ready = self.process.stderr.readline()

    def started(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "AEGIS_HOME": str(self.home)}
        command = [sys.executable, "-m", "rag.vectors.edge.server"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def start_again(self) -> None:
        self.process = self.started()
        self.ready = self.process.stderr.readline()

    def ended(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)

    def killed(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)
