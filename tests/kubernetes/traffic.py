"""Requests from outside, all the time, each of which is meant to succeed at once."""

from collections import Counter
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from tests.kubernetes.network import entered

_PACE_SECONDS = 0.1
_TIMEOUT_SECONDS = 60.0


class Traffic:
    """Two callers while the block runs: one keeps its connections, one makes a new one for each request.

    None repeats a request. ``answers`` counts statuses, and errors by name.
    """

    def __init__(self, url: str, network: Path) -> None:
        self._url, self._network = url, network
        self._over = Event()
        self.answers: Counter[str] = Counter()
        self._callers = [Thread(target=self._call, args=(kept,), daemon=True) for kept in (True, False)]

    @property
    def failed(self) -> dict[str, int]:
        """Answers that were not a success."""
        return {what: count for what, count in self.answers.items() if not what.startswith("20")}

    def __enter__(self) -> Self:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for caller in self._callers:
            caller.join()

    def _call(self, kept: bool) -> None:
        with entered(self._network):
            client = self._client()
            while not self._over.wait(_PACE_SECONDS):
                if not kept:
                    client.close()
                    client = self._client()
                self._note(client)
            client.close()

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, timeout=_TIMEOUT_SECONDS)

    def _note(self, client: httpx.Client) -> None:
        """A document is submitted, and those that are there are listed."""
        body = {"text": "A lamp is lit on the quay at dusk.", "collection": "traffic"}
        for method, path, extra in (
            ("GET", "/v1/collections", {}),
            ("POST", "/v1/documents", {"json": body, "headers": {"Idempotency-Key": uuid4().hex}}),
        ):
            try:
                self.answers[str(client.request(method, path, **extra).status_code)] += 1
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
