"""One caller that means harm, and what it was answered."""

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

import httpx

from tests.system.running import Stack

PATIENCE = 60.0


@dataclass
class Answers:
    """Statuses by method and path, from all attackers."""

    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def note(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self.seen.setdefault((method, path), set()).add(status)


@dataclass(frozen=True)
class Attacker:
    """One caller with a key of its own, or with none."""

    stack: Stack
    key: str
    answers: Answers
    over: Event

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.stack.url, headers=headers, timeout=PATIENCE)

    def call(
        self, client: httpx.Client, method: str, path: str, template: str, **more: Any
    ) -> httpx.Response:
        answer = client.request(method, path, **more)
        self.answers.note(method, template, answer.status_code)
        return answer

    def connection(self, port: int | None = None) -> socket.socket:
        """To the API; ``port``: to another part."""
        return socket.create_connection(("127.0.0.1", port or self.stack.api_port), timeout=10)

    def until_over(self, pause: float) -> Iterator[int]:
        for turn in itertools.count():
            if self.over.wait(pause):
                return
            yield turn
