"""What the supervisor writes where LOG_FORMAT is json: an object a line, like its services' logs."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rag.system.log_lines import json_line

_PART = "supervisor"


class JsonDisplay:
    """Implements :class:`cli.supervisor.display.StackDisplay` for collectors of logs, on stdout."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._stopping = False

    def show_start(self, home: Path) -> None:
        self._write("INFO", f"the stack starts in {home}")

    def show_ready(self, service: str, seconds: float) -> None:
        self._write("INFO", f"{service} is ready after {seconds:.1f} s", service=service)

    def show_death(self, service: str, how: str, *, restart: int, wait: float) -> None:
        event = f"{service} ended with {how}; restart {restart} begins in {wait:.0f} s"
        self._write("ERROR", event, service=service)

    def show_back(self, service: str, seconds: float) -> None:
        self._write("INFO", f"{service} is back after {seconds:.1f} s", service=service)

    def show_line(self, service: str, line: str) -> None:
        """A JSON line of a service's log. Not while the stack stops: then services miss each other."""
        if self._verbose or not self._stopping:
            if line.startswith('{"time": '):
                self._print(line)
            else:
                self._write("ERROR", line, service=service)

    def show_stopping(self) -> None:
        self._stopping = True
        self._write("INFO", "the stack stops, in order")

    def show_stop(self, service: str, seconds: float) -> None:
        self._write("INFO", f"{service} stopped after {seconds:.1f} s", service=service)

    def show_addresses(self, seconds: float, addresses: Mapping[str, str]) -> None:
        where = ", ".join(f"{name} {address}" for name, address in addresses.items())
        self._write("INFO", f"the stack is ready after {seconds:.1f} s: {where}")

    def show_note(self, text: str) -> None:
        self._write("WARNING", text)

    def clear_spinner(self) -> None:
        """Nothing: there is no spinner."""

    def _write(self, level: str, event: str, **fields: str) -> None:
        self._print(json_line(level, _PART, event, **fields))

    def _print(self, line: str) -> None:
        """Print; skipped when the reader is gone, or is a file on a full disk."""
        with suppress(OSError):
            print(line, flush=True)
