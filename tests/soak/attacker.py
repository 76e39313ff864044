"""One caller that means harm, and what it was answered."""

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from threading import Lock
from typing import Any

import httpx

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
class Target:
    """Where the stack is, and a key to it."""

    url: str
    api_port: int
    flower_port: int
    key: str


@dataclass(frozen=True)
class Attacker:
    """One caller with a key of its own, or with none."""

    target: Target
    answers: Answers
    over: Event

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.target.key}"}
        return httpx.Client(base_url=self.target.url, headers=headers, timeout=PATIENCE)

    def call(
        self, client: httpx.Client, method: str, path: str, template: str, **more: Any
    ) -> httpx.Response:
        answer = client.request(method, path, **more)
        self.answers.note(method, template, answer.status_code)
        return answer

    def connection(self, port: int | None = None) -> socket.socket:
        """To the API; ``port``: to another part."""
        return socket.create_connection(("127.0.0.1", port or self.target.api_port), timeout=10)

    def until_over(self, pause: float) -> Iterator[int]:
        for turn in itertools.count():
            if self.over.wait(pause):
                return
            yield turn
