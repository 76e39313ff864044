"""A question is asked in the console, and its answer is read: in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.model import Json
from tests.chromium import Chromium, chromium
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.test_console_documents import MARKED, TEXT, UNTIL
from tests.integration.test_console_uploads import ANSWER, worker

START = TEXT.index(MARKED)
CITATION: Json = {
    "n": 1, "document_id": "lamp.md", "title": "Lamp", "text": MARKED,
    "start": START, "end": START + len(MARKED),
}  # fmt: skip
CITED: Json = {**ANSWER, "answer": "It is violet [1].", "citations": [CITATION]}

PAGE = (
    UNTIL
    + """
const $ = (id) => document.getElementById(id);
const real = window.fetch;
const ask = (question, collection = "") => {
  $("question").value = question;
  $("collection").value = collection;
  $("ask").requestSubmit();
};
const openFirst = async () => {
  (await until(() => document.querySelector("#citations button"))).click();
  await until(() => $("passage").open);
};
"""
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path / "home")) as service:
        service.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        yield service


def test_a_citation_opens_in_the_collection_that_was_asked(browser: Chromium, api: Service) -> None:
    api.publish("lamp.md", TEXT, collection="lamps")
    read = """
        ask("What colour?", "lamps");
        await until(() => $("ask-state").textContent === "waiting…");
        $("collection").value = "";
        await openFirst();
        return until(() => {
          const text = $("passage-text").textContent;
          return (text.length > 19 || $("passage-place").textContent.includes("gone")) && text;
        });
    """

    with worker(api, 0.5, CITED):
        assert browser.run(f"{api.url}/", PAGE + read) == TEXT


@pytest.mark.parametrize(
    ("status", "told"), [(404, "the document is gone"), (503, "The store is away."), (403, "Not yours.")]
)
def test_why_a_passage_cannot_be_read_is_told(
    browser: Chromium, api: Service, status: int, told: str
) -> None:
    problem = json.dumps({"detail": told})
    read = f"""
        const refusal = async () => new Response({problem!r}, {{ status: {status} }});
        window.fetch = (path, ...rest) => path.includes("/text?") ? refusal() : real(path, ...rest);
        ask("What colour?");
        await openFirst();
        return until(() => $("passage-place").textContent.split("lamp.md · ")[1]);
    """

    with worker(api, 0.2, CITED):
        assert browser.run(f"{api.url}/", PAGE + read) == told
