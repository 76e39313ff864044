"""The service as its callers use it: submit, wait, look at the job."""

from typing import Any
from uuid import uuid4

import httpx

JobPage = dict[str, Any]


def new_collection() -> str:
    return f"t-{uuid4().hex[:12]}"


def finished(client: httpx.Client, job_id: str) -> JobPage:
    """The job when it is over; fails after two minutes."""
    for _ in range(4):
        job: JobPage = client.get(f"/v1/jobs/{job_id}", params={"wait": 30}).raise_for_status().json()
        if job["state"] not in ("queued", "running"):
            return job
    raise AssertionError(f"the job does not end: {job}")


def upload(client: httpx.Client, name: str, data: bytes, **fields: str) -> JobPage:
    answer = client.post("/v1/documents", files={"file": (name, data)}, data=fields)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return finished(client, answer.json()["job_id"])


def send_text(client: httpx.Client, text: str, **fields: Any) -> JobPage:
    answer = client.post("/v1/documents", json={"text": text, **fields})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return finished(client, answer.json()["job_id"])


def ask(client: httpx.Client, question: str, collection: str, **fields: Any) -> dict[str, Any]:
    """The result of a question."""
    body = {"question": question, "collection": collection, **fields}
    answer = client.post("/v1/queries", json=body)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    job = finished(client, answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result
