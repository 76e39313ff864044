"""A real Jaeger receives the traces of a question, and its API gives them back as one tree.

Go's module has a placeholder in place of Jaeger's pages, so the API is asked.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.jaegerbuild import place
from tests.jaegerserver import Jaeger, jaeger
from tests.system.running import Stack, stack_in, until
from tests.system.service import finished, new_collection, send_text

pytestmark = pytest.mark.skipif(
    not place().exists(), reason="Jaeger is not built: python -m tests.jaegerbuild builds it once"
)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Stack, Jaeger]]:
    with TemporaryDirectory(prefix="aegis-system-") as home, jaeger() as collector:
        stack = stack_in(Path(home), JAEGER_ENDPOINT=collector.endpoint).start()
        try:
            yield stack.until_ready(), collector
        finally:
            stack.stop()


def test_jaeger_shows_a_question_from_the_request_to_the_answer(running: tuple[Stack, Jaeger]) -> None:
    stack, collector = running
    collection = new_collection()
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        send_text(http, "The kite flies best in a steady wind of twelve knots.", collection=collection)
        sent = http.post("/v1/queries", json={"question": "Which wind?", "collection": collection})
        job = finished(http, sent.json()["job_id"])
    assert job["state"] == "succeeded", job

    stages = ("embed_query", "search", "rerank", "generate")
    wanted = {"POST /v1/queries", "submit query"} | {
        f"{what} {each}" for what in ("wait", "stage") for each in stages
    }
    until(lambda: wanted <= {span["operationName"] for span in collector.spans(job["trace_id"])})

    spans = {span["operationName"]: span for span in collector.spans(job["trace_id"])}
    parents = {name: span["references"][0]["spanID"] for name, span in spans.items() if span["references"]}
    assert parents["submit query"] == spans["POST /v1/queries"]["spanID"]
    assert {parents[f"stage {each}"] for each in stages} == {spans["submit query"]["spanID"]}
    for each in stages:
        wait, work = spans[f"wait {each}"], spans[f"stage {each}"]
        assert wait["startTime"] + wait["duration"] <= work["startTime"] + 1000  # microseconds


def test_jaeger_names_each_process(running: tuple[Stack, Jaeger]) -> None:
    _, collector = running

    def services() -> set[str]:
        return set(httpx.get(f"{collector.url}/api/services", timeout=10).json()["data"] or ())

    workers = {"aegis-parse+index", "aegis-embed", "aegis-embed-query+rerank+generate"}
    until(lambda: services() >= {"aegis-api", *workers})
