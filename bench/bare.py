"""The smallest API that accepts a job, for comparison: one route, one Redis write."""

from typing import Any

from fastapi import FastAPI
from uuid_utils.compat import uuid7

from rag.redis.connection import connect
from rag.settings import load

app = FastAPI()
_redis = connect(load())


@app.post("/")
def submit(body: dict[str, Any]) -> dict[str, str]:
    """Store the body under a new id."""
    job_id = str(uuid7())
    _redis.set(job_id, str(body))
    return {"job_id": job_id}
