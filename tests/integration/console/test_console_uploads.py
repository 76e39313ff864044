"""The console in a real browser under a rate limit: many files are dropped, and a question is asked."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rag.model import Job, JobKind, JobState, Json
from tests.chromium import Chromium, chromium
from tests.integration.apiserver import Service, serving, settings_of

PER_MINUTE = 100
DROP = """
const wait = async (until) => { while (!until()) await new Promise((done) => setTimeout(done, 100)); };
const $ = (id) => document.getElementById(id);
const dropped = new DataTransfer();
for (let n = 0; n < FILES; n++) dropped.items.add(new File([`The lamp ${n} is green.`], `file-${n}.md`));
$("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
await wait(() => performance.getEntriesByType("resource").some(({ name }) => name.includes("/v1/documents")));
$("question").value = "What colour is the lamp?";
$("ask").requestSubmit();
await wait(() => !$("answer").hidden && $("timings").textContent);
const answered = Math.round(performance.now());
await wait(() => document.querySelectorAll("#uploads .succeeded, #uploads .failed").length === FILES);
return {
  answer: $("answer").textContent, answered, took: Math.round(performance.now()),
  states: [...document.querySelectorAll("#uploads .tag")].map((tag) => tag.textContent),
};
"""
ANSWER: Json = {
    "answer": "It is green.", "citations": [], "hits": [], "generator": "x", "timings_ms": {"total": 5}
}  # fmt: skip


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as running:
        yield running


@contextmanager
def worker(api: Service, seconds: float, answer: Json = ANSWER) -> Iterator[None]:
    """Does the queued jobs one after the other, each in so many seconds; ``answer`` is that of a question."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(seconds):
            if (job := _next(api)) is not None:
                api.finish(job.id, answer if job.kind is JobKind.QUERY else {"chunks": 1})

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def _next(api: Service) -> Job | None:
    """The job that waits for longest; a question goes first."""
    for kind in (JobKind.QUERY, JobKind.INGEST):
        window = api.parts.jobs.page(
            states=[JobState.QUEUED], kinds=[kind], collections=None, cursor=None, limit=200
        )
        if window.items:
            return window.items[-1]
    return None


def calls(api: Service) -> Counter[tuple[str, str, str]]:
    """Method, route and status of what was answered under /v1, with how often."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for line in api.http.get("/metrics").text.splitlines():
        if line.startswith('http_requests_total{handler="/v1/'):
            _, handler, _, method, _, status, count = line.split('"')
            counted[method, handler, status] = int(float(count.strip("} ")))
    return counted


def dropped(browser: Chromium, api: Service, files: int) -> Any:
    return browser.run(f"{api.url}/", f"const FILES = {files};{DROP}")


def test_a_drop_of_files_and_a_question_meanwhile_are_refused_nothing(
    browser: Chromium, valkey: str, tmp_path: Path
) -> None:
    settings = settings_of(valkey, tmp_path / "home", rate_limit_requests_per_minute=PER_MINUTE)
    with serving(settings) as api:
        api.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        with worker(api, 0.25):
            seen = dropped(browser, api, 64)
        counted = calls(api)

    assert seen["answer"] == "It is green."
    assert seen["states"] == ["succeeded"] * 64
    assert seen["answered"] < seen["took"], "the question waited for all files"
    refused = {call: count for call, count in counted.items() if call[2] == "429"}
    assert refused == {}, counted
    assert counted["POST", "/v1/documents", "202"] == 64
    assert counted["GET", "/v1/jobs/{job_id}", "200"] <= 5, "jobs are followed, not asked for one by one"


def test_a_drop_over_the_limit_waits_for_its_turn_and_lets_the_question_pass(
    browser: Chromium, valkey: str, tmp_path: Path
) -> None:
    settings = settings_of(valkey, tmp_path / "home", rate_limit_requests_per_minute=12)
    with serving(settings) as api:
        api.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        with worker(api, 0.05):
            seen = dropped(browser, api, 16)
        counted = calls(api)

    assert seen["answer"] == "It is green."
    assert seen["states"] == ["succeeded"] * 16
    assert counted["POST", "/v1/documents", "202"] == 16
    assert counted["POST", "/v1/documents", "429"] < 40, "Retry-After is heeded"
