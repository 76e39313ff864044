"""A client that never gives up early, and looks closely at every answer."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import httpx

from tests.chaos.ledger import JobPage, Ledger

PATIENCE_SECONDS = 180.0
OVER = frozenset({"succeeded", "failed", "cancelled", "dead"})

_LATER = frozenset({429, 503})
_AGAIN_SECONDS = 0.2
_LONGEST_PAUSE = 3.0
_LONG_POLL = 10


class NoAnswerError(Exception):
    """The service gave no answer that counts within the patience."""


class Caller:
    """One thread's client. Every answer is counted in ``ledger``, and what must not be is a violation.

    A call that got no answer, 429 or 503 is made again. Submits carry an Idempotency-Key, so
    making them again is safe. ``url`` may have an API key in the place of a password.
    """

    def __init__(self, url: str, ledger: Ledger) -> None:
        self._ledger = ledger
        self._http = client_of(url, timeout=httpx.Timeout(_LONG_POLL + 30, connect=3))
        self.repeated = False

    def close(self) -> None:
        self._http.close()

    def submit(self, path: str, body: JobPage) -> JobPage:
        """The 202's body."""
        key = {"Idempotency-Key": uuid4().hex}
        answer = self.call("POST", path, {202}, json=body, headers=key)
        submitted: JobPage = answer.json()
        if not {"job_id", "document_id", "status_url"} <= submitted.keys():
            self._ledger.violation(f"POST {path}: 202 with {answer.text[:200]}")
        return submitted

    def submit_all(self, bodies: Sequence[JobPage]) -> list[JobPage]:
        """The job of each document of a batch, all of which are to be accepted."""
        lines = "".join(f"{json.dumps(body)}\n" for body in bodies)
        headers = {"Idempotency-Key": uuid4().hex, "Content-Type": "application/x-ndjson"}
        answer = self.call("POST", "/v1/documents:batch", {202}, content=lines, headers=headers)
        submitted: JobPage = answer.json()
        refused = [each for each in submitted["refused"] if each["status"] not in _LATER]
        if refused or len(submitted["jobs"]) != len(bodies):
            self._ledger.violation(f"POST /v1/documents:batch: 202 with {answer.text[:200]}")
        return [job for job in submitted["jobs"] if job is not None]

    def finished(self, job_id: str, seconds: float = PATIENCE_SECONDS) -> JobPage | None:
        """The job when it is over; None when it never is; ``{"state": "lost"}`` when nobody knows it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.call("GET", f"/v1/jobs/{job_id}", {200, 404}, params={"wait": _LONG_POLL})
            if answer.status_code == httpx.codes.NOT_FOUND:
                return {"id": job_id, "state": "lost"}
            job: JobPage = answer.json()
            if job["state"] in OVER:
                return job
        return None

    def events(self, job_id: str) -> Iterator[str]:
        """The kinds of a finished job's events, by the form of the HTML standard."""
        with self._http.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            for line in stream.iter_lines():
                name, _, value = line.partition(":")
                if name == "event":
                    yield value.strip()

    def call(self, method: str, path: str, expected: set[int], **request: Any) -> httpx.Response:
        """An answer of an expected status. Sets ``repeated`` when an earlier attempt may have worked."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        answer: httpx.Response | None = None
        self.repeated = False
        while time.monotonic() < deadline:
            answer = self._attempted(method, path, **request)
            if answer is not None and answer.status_code in expected and self._is_json(answer):
                return answer
            self.repeated = True
            time.sleep(self._pause(method, path, answer))
        what = f"{method} {path}: no good answer within {PATIENCE_SECONDS:.0f} s, at last {_shown(answer)}"
        self._ledger.violation(what)
        raise NoAnswerError(what)

    def _attempted(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            self._ledger.answered(type(error).__name__)
            return None
        self._ledger.answered(str(answer.status_code))
        return answer

    def _pause(self, method: str, path: str, answer: httpx.Response | None) -> float:
        """Seconds until the next attempt; an answer that must not be is noted."""
        if answer is None:
            return _AGAIN_SECONDS
        after = answer.headers.get("retry-after", "")
        if answer.status_code in _LATER and after.isdecimal() and _is_problem(answer):
            return min(float(after), _LONGEST_PAUSE)
        self._ledger.violation(f"{method} {path}: {_shown(answer)}")
        return 1.0

    def _is_json(self, answer: httpx.Response) -> bool:
        if answer.is_error:
            return _is_problem(answer)
        return answer.headers.get("content-type", "").startswith(("application/json", "text/plain"))


def client_of(url: str, **options: Any) -> httpx.Client:
    """A client of the API at ``url``, which may have an API key in the place of a password."""
    address = httpx.URL(url)
    headers = {"Authorization": f"Bearer {address.password}"} if address.password else {}
    return httpx.Client(base_url=address.copy_with(userinfo=b""), headers=headers, **options)


def _is_problem(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "") == "application/problem+json" and (
        answer.json().get("status") == answer.status_code
    )


def _shown(answer: httpx.Response | None) -> str:
    return f"{answer.status_code} {answer.text[:300]}" if answer is not None else "nothing"
