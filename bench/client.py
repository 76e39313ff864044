"""The measurements' client, which uses only the REST contract."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import httpx

from rag.errors import ModelError

WAIT_SECONDS = 60
IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """One answered question: ``seconds`` that the caller waited, and the finished job's result."""

    seconds: float
    result: dict[str, Any]

    @property
    def work_seconds(self) -> float:
        """Seconds that the stages themselves worked."""
        timings = self.result["timings_ms"]
        return float(sum(timings[stage] for stage in ("embed", "search", "rerank", "generate"))) / 1000


class Caller:
    """A client of one stack. Every job that does not succeed raises ModelError with its reason."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=WAIT_SECONDS + 10)

    def submit(self, text: str, collection: str, document_id: str | None = None) -> str:
        """Submit a text. Returns the job's id."""
        body = {"text": text, "collection": collection, "document_id": document_id}
        answer = self._http.post("/v1/documents", json={k: v for k, v in body.items() if v is not None})
        return str(answer.raise_for_status().json()["job_id"])

    def send(self, file: bytes, media_type: str, collection: str, document_id: str) -> str:
        """Submit a file. Returns the job's id."""
        form = {"collection": collection, "document_id": document_id}
        files = {"file": (document_id, file, media_type)}
        answer = self._http.post("/v1/documents", data=form, files=files)
        return str(answer.raise_for_status().json()["job_id"])

    def done(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST to ``path``, and wait for the job that it makes. Returns the job's result."""
        answer = self._http.post(path, json=body or {}).raise_for_status()
        return self.finished(str(answer.json()["job_id"]))

    def finished(self, job_id: str) -> dict[str, Any]:
        """Wait for the job. Returns its result."""
        while True:
            answer = self._http.get(f"/v1/jobs/{job_id}", params={"wait": WAIT_SECONDS}).raise_for_status()
            job = answer.json()
            if job["state"] not in ("queued", "running"):
                return self._result(job)

    def ingest(self, texts: Iterable[str], collection: str, ids: Sequence[str] | None = None) -> int:
        """Ingest all texts, IN_FLIGHT at a time, and wait for them. Returns the number of their chunks."""
        named = ids or []
        pairs = [(text, named[i] if named else None) for i, text in enumerate(texts)]
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            jobs = list(pool.map(lambda pair: self.submit(pair[0], collection, pair[1]), pairs))
            return sum(pool.map(lambda job: int(self.finished(job)["chunks"]), jobs))

    def submit_batch(
        self, texts: Sequence[str], collection: str, ids: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Submit all texts in one call. Returns the answer, with the batch's id and its jobs."""
        bodies: list[dict[str, str]] = [{"text": text} for text in texts]
        for body, document_id in zip(bodies, ids or (), strict=False):
            body["document_id"] = document_id
        answer = self._http.post(
            "/v1/documents:batch",
            params={"collection": collection},
            content="\n".join(map(json.dumps, bodies)),
            headers={"Content-Type": "application/x-ndjson"},
        )
        return dict(answer.raise_for_status().json())

    def count_done(self, batch_id: str) -> int:
        """How many jobs of the batch have succeeded by now."""
        batch = self._http.get(f"/v1/batches/{batch_id}").raise_for_status().json()
        return int(batch["counts"].get("succeeded", 0))

    def finish_batch(self, batch_id: str) -> int:
        """Wait for all jobs of the batch. Returns their number. ModelError unless all succeeded."""
        while True:
            answer = self._http.get(f"/v1/batches/{batch_id}", params={"wait": WAIT_SECONDS})
            batch = answer.raise_for_status().json()
            if batch["state"] == "succeeded":
                return int(batch["counts"]["succeeded"])
            if batch["state"] not in ("queued", "running"):
                raise ModelError(f"batch {batch_id} ended as {batch['state']}: {batch['failures'][:1]}")

    def ingest_batch(self, texts: Sequence[str], collection: str, ids: Sequence[str] | None = None) -> int:
        """Ingest all texts by one call, and wait for them. Returns the number of documents."""
        return self.finish_batch(str(self.submit_batch(texts, collection, ids)["batch_id"]))

    def ask(self, question: str, collection: str, **options: Any) -> Asked:
        """Ask without the answer cache, so that the measured work is done."""
        body = {"question": question, "collection": collection, "cache": False, **options}
        begun = perf_counter()
        answer = self._http.post("/v1/queries", json=body, headers={"Prefer": f"wait={WAIT_SECONDS}"})
        seconds = perf_counter() - begun
        return Asked(seconds, self._result(answer.raise_for_status().json()))

    def submit_question(self, question: str, collection: str, **options: Any) -> str:
        """Ask without waiting for the answer. Returns the job's id."""
        body = {"question": question, "collection": collection, "cache": False, **options}
        return str(self._http.post("/v1/queries", json=body).raise_for_status().json()["job_id"])

    def ask_all(self, questions: Sequence[str], collection: str, **options: Any) -> list[Asked]:
        """The answers in the order of ``questions``, asked IN_FLIGHT at a time."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(lambda question: self.ask(question, collection, **options), questions))

    @staticmethod
    def _result(job: dict[str, Any]) -> dict[str, Any]:
        if job.get("state") != "succeeded":
            raise ModelError(f"job {job.get('id')} ended as {job.get('state')}: {job.get('error')}")
        return dict(job["result"])
