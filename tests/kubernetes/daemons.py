"""Programs that run beside the tests, each with a log file."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.network import entered

_LAST = 3000
"""Characters of a log that a failure shows."""

_SLOWLY = 0.2


@dataclass
class Daemons:
    """Programs in one network namespace. They end with this process, also where it is killed."""

    namespace: Path
    logs: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log, entered(self.namespace):
            self.running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip

    def until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until ``ready``. Fails at once where a program has ended, else after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.require_alive()
            assert time.monotonic() < deadline, f"{what} took over {seconds} s\n{self.story()}"
            time.sleep(_SLOWLY)

    def require_alive(self) -> None:
        for name, process in self.running.items():
            ended = process.poll()
            assert ended is None, f"{name} ended with {ended}:\n{self.tail(name)}"

    def stop(self, name: str) -> None:
        """SIGTERM, and wait."""
        process = self.running.pop(name)
        process.terminate()
        process.wait(30)

    def stop_all(self) -> None:
        """The last one started first."""
        for name in reversed(list(self.running)):
            process = self.running.pop(name)
            process.kill()
            process.wait(30)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail(self, name: str) -> str:
        return self.log(name).read_text("utf-8", "replace")[-_LAST:]

    def story(self) -> str:
        return "\n".join(f"--- {name}\n{self.tail(name)}" for name in self.running)
