"""A collector receives one trace a job: waits, stages, the parse child, shared calls and calls to servers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests import jinaserver
from tests.integration.collector import Collector, Seen, collecting
from tests.jinaserver import KEY, Jina
from tests.system.running import stack_in, until
from tests.system.service import finished, new_collection, send_text

TEXTS = [f"Document {number} tells of the harbour of town {number}." for number in range(6)]


@dataclass(frozen=True)
class Traced:
    """Six documents that were sent at once, a page, and what collector and model server saw of them."""

    jobs: list[dict[str, Any]]
    page: dict[str, Any]
    collector: Collector
    jina: Jina

    def spans(self, job: dict[str, Any]) -> list[Seen]:
        return self.collector.of(job["trace_id"])


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with (
        TemporaryDirectory(prefix="aegis-system-") as home,
        jinaserver.serving(Jina()) as jina,
        collecting() as collector,
    ):
        settings = {"JINA_API_KEY": KEY, "JINA_BASE_URL": jina.url, "JAEGER_ENDPOINT": collector.url}
        stack = stack_in(Path(home), **settings).start()
        try:
            stack.until_ready()
            with httpx.Client(base_url=stack.url, timeout=60) as http:
                collection = new_collection()
                send_text(http, "The first one makes the collection.", collection=collection)
                jina.seconds = 0.5  # the others come together while one is embedded
                with ThreadPoolExecutor(len(TEXTS)) as pool:
                    sent = list(pool.map(lambda text: submit(http, text, collection), TEXTS))
                jobs = [finished(http, job) for job in sent]
                page = {"file": ("page.html", b"<p>A page about a harbour.</p>", "text/html")}
                answer = http.post("/v1/documents", files=page, data={"collection": collection})
                yield Traced(jobs, finished(http, answer.json()["job_id"]), collector, jina)
        finally:
            stack.stop()


def submit(http: httpx.Client, text: str, collection: str) -> str:
    answer = http.post("/v1/documents", json={"text": text, "collection": collection})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def named(spans: list[Seen], name: str) -> Seen:
    (found,) = [span for span in spans if span.name == name]
    return found


def has_all(traced: Traced) -> bool:
    """Whether the spans that end last in each process are here: processes send in their own time."""
    last = {"submit ingest", "stage parse", "stage embed", "stage index"}
    return all(last <= {span.name for span in traced.spans(job)} for job in traced.jobs)


def test_each_stage_of_a_job_has_a_wait_before_it_and_sums_up_its_round_trips(traced: Traced) -> None:
    until(lambda: has_all(traced))

    for job in traced.jobs:
        assert job["state"] == "succeeded", job
        spans = traced.spans(job)
        submitted = named(spans, "submit ingest")
        for stage in ("parse", "embed", "index"):
            wait, work = named(spans, f"wait {stage}"), named(spans, f"stage {stage}")
            assert {wait.parent, work.parent} == {submitted.span}
            assert wait.began <= wait.ended <= work.began + 0.001
            assert wait.attributes["aegis.lane"] == work.attributes["aegis.lane"] == stage
        assert named(spans, "stage index").attributes["aegis.redis.calls"] > 0
        assert named(spans, "stage index").attributes["aegis.redis.seconds"] > 0


def test_the_process_that_parsed_a_page_is_within_its_stage(traced: Traced) -> None:
    until(lambda: {"parse child", "stage parse"} <= {span.name for span in traced.spans(traced.page)})

    spans = traced.spans(traced.page)
    child, stage = named(spans, "parse child"), named(spans, "stage parse")
    assert child.parent == stage.span
    assert stage.began - 0.001 <= child.began <= child.ended <= stage.ended + 0.001
    assert child.attributes["aegis.cpu_seconds"] >= 0
    assert child.attributes["aegis.peak_bytes"] > 1_000_000


def test_a_small_text_is_read_without_a_process_of_its_own(traced: Traced) -> None:
    until(lambda: has_all(traced))

    assert not [job for job in traced.jobs for span in traced.spans(job) if span.name == "parse child"]


def test_a_call_that_jobs_shared_leads_to_each_of_them(traced: Traced) -> None:
    until(lambda: has_all(traced))

    ours = [span for job in traced.jobs for span in traced.spans(job)]
    calls = [span for span in ours if span.name == "call embed_passages"]
    shared = [span for span in ours if span.name == "shared embed_passages"]
    assert len(calls) + len(shared) == len(TEXTS)
    assert shared, "no two documents were embedded together"
    by_id = {span.span: span for span in ours}
    for there in shared:
        (call,) = there.links
        assert by_id[call].name == "call embed_passages"
        assert there.parent in by_id[call].links
        assert by_id[there.parent].name == "stage embed"
    assert sum(call.attributes["aegis.jobs"] for call in calls) == len(TEXTS)


def test_the_model_server_is_told_the_trace(traced: Traced) -> None:
    until(lambda: has_all(traced))

    calls = [call for call in traced.jina.calls if set(call.get("input", ())) & set(TEXTS)]
    assert calls
    for call in calls:
        _, trace, span, _ = call["traceparent"].split("-")
        (client,) = [seen for seen in traced.collector.of(trace) if seen.span == span]
        assert client.name == "jina embed_passages"
        assert client.attributes["peer.service"] == "jina"
