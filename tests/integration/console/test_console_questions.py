"""A question is asked in the console, and its answer is read: in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.model import Json
from tests.chromium import Chromium
from tests.integration.api.test_api_dead_letters import die
from tests.integration.api.test_api_keys import KEYS, bearer
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.console.test_console_documents import MARKED, TEXT, UNTIL
from tests.integration.console.test_console_uploads import ANSWER, worker

START = TEXT.index(MARKED)
CITATION: Json = {
    "n": 1, "document_id": "lamp.md", "title": "Lamp", "text": MARKED,
    "start": START, "end": START + len(MARKED),
}  # fmt: skip
CITED: Json = {**ANSWER, "answer": "It is violet [1].", "citations": [CITATION]}

READER, ADMIN = "r" * 16, "a" * 16

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
const type = (key) => {
  $("key").value = key;
  $("key").dispatchEvent(new Event("change"));
};
const FILLED = ["answer", "citations", "jobs", "dead-letters"];
const filled = (...ids) => ids.filter((id) => $(id).textContent);
const fill = async () => {
  type("aaaaaaaaaaaaaaaa");
  ask("What colour?");
  await until(() => filled(...FILLED).length === FILLED.length);
  await until(() => document.querySelector("#jobs .succeeded"));
};
const openFirst = async () => {
  (await until(() => document.querySelector("#citations button"))).click();
  await until(() => $("passage").open);
};
"""
)


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path / "home")) as service:
        service.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        yield service


@pytest.fixture
def keyed(valkey: str, tmp_path: Path) -> Iterator[Service]:
    """With a dead letter, and a worker that answers questions."""
    with serving(settings_of(valkey, tmp_path / "home", api_keys=KEYS)) as service:
        service.http.headers = bearer(ADMIN)
        die(service, service.ask())
        with worker(service, 0.2, CITED):
            yield service


def test_a_citation_opens_in_the_collection_that_was_asked(browser: Chromium, api: Service) -> None:
    api.publish("lamp.md", TEXT, collection="lamps")
    read = """
        ask("What colour?", "lamps");
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


@pytest.mark.parametrize("key", ["", "x" * 16, READER])
def test_nothing_that_a_former_key_has_read_stays_with_another(
    browser: Chromium, keyed: Service, key: str
) -> None:
    change = f"""
        await fill();
        window.fetch = () => new Promise(() => {{}});
        type({key!r});
        return filled(...FILLED, "passage-text", "timings");
    """

    assert browser.run(f"{keyed.url}/", PAGE + change) == []


def test_what_was_asked_for_with_a_former_key_is_not_shown(browser: Chromium, keyed: Service) -> None:
    change = """
        type("aaaaaaaaaaaaaaaa");
        let answer;
        window.fetch = async (path, ...rest) => {
          const answered = await real(path, ...rest);
          if (path.startsWith("/v1/jobs?")) await new Promise((done) => { answer = done; });
          return answered;
        };
        await until(() => answer);
        window.fetch = real;
        type("rrrrrrrrrrrrrrrr");
        await until(() => $("jobs-note").textContent === "Nothing yet.");
        answer();
        await new Promise((done) => setTimeout(done, 1000));
        return filled("jobs", "dead-letters");
    """

    assert browser.run(f"{keyed.url}/", PAGE + change) == []


def test_a_key_that_is_refused_from_now_on_sees_nothing_more(browser: Chromium, keyed: Service) -> None:
    change = """
        await fill();
        window.fetch = async () => new Response('{"detail": "Who are you?"}', { status: 401 });
        await until(() => $("dead-note").textContent.startsWith("Who are you?"));
        await until(() => $("jobs-note").textContent.startsWith("Who are you?"));
        return filled(...FILLED, "timings");
    """

    assert browser.run(f"{keyed.url}/", PAGE + change) == []


def test_dead_letters_that_may_not_be_read_leave_the_answer(browser: Chromium, keyed: Service) -> None:
    change = """
        await fill();
        const refusal = async () => new Response('{"detail": "Not yours."}', { status: 403 });
        window.fetch = (path, ...rest) => path.includes("dead-letters") ? refusal() : real(path, ...rest);
        await until(() => $("dead-note").textContent === "Not yours.");
        return filled(...FILLED);
    """

    assert browser.run(f"{keyed.url}/", PAGE + change) == ["answer", "citations", "jobs"]


def test_backups_and_documents_of_a_former_key_go_with_it(browser: Chromium, keyed: Service) -> None:
    keyed.publish("lamp.md", TEXT)
    keyed.http.post("/v1/backups").raise_for_status()
    change = """
        type("aaaaaaaaaaaaaaaa");
        await until(() => filled(...LISTS).length === LISTS.length);
        window.fetch = () => new Promise(() => {});
        type("rrrrrrrrrrrrrrrr");
        return filled(...LISTS);
    """
    for page, lists in {
        "backups.html": ["standing", "jobs"],
        "document.html#document=lamp.md": ["list", "facts", "text"],
    }.items():
        script = f"const LISTS = {lists};{PAGE}{change}"
        assert browser.run(f"{keyed.url}/console/{page}", script) == []


def test_the_end_of_a_first_question_leaves_the_second_its_stop_and_its_answer(
    browser: Chromium, api: Service
) -> None:
    """The first is answered once the second runs, or taken in after it was."""
    second = """
        let late;
        const held = new Promise((done) => { late = done; });
        let posts = 0;
        window.fetch = async (path, ...rest) => {
          const answered = await real(path, ...rest);
          if (path === "/v1/queries" && ++posts === 1 && HELD) await held;
          return answered;
        };
        ask("First?");
        await until(() => HELD ? posts : !$("stop").hidden);
        const { items: [first] } = await until(async () => (await real("/v1/jobs")).json());
        ask("Second?");
        await until(() => !$("stop").hidden && $("ask-state").textContent === "waiting…");
        late();
        await real(`/v1/jobs/${first.id}`, { method: "DELETE" });
        await new Promise((done) => setTimeout(done, 3000));
        const seen = [$("stop").hidden, $("ask-state").textContent];
        $("stop").click();
        await until(() => $("stop").hidden);
        return [...seen, $("ask-state").textContent];
    """
    for held in ("false", "true"):
        script = f"const HELD = {held};{PAGE}{second}"
        assert browser.run(f"{api.url}/", script) == [False, "waiting…", "The question cancelled."]


def test_a_first_question_s_pieces_are_not_written_into_the_second_s_answer(
    browser: Chromium, api: Service
) -> None:
    pieces = """
        let speak;
        const spoken = new Promise((done) => { speak = done; });
        const piece = 'event: token\\ndata: {"text": "of the first"}\\n\\n';
        const stream = new ReadableStream({ async pull(sent) {
          await spoken;
          sent.enqueue(new TextEncoder().encode(piece));
          sent.close();
        } });
        let posts = 0, streams = 0;
        window.fetch = async (path, ...rest) => {
          if (path === "/v1/queries" && ++posts === 2) return new Promise(() => {});
          if (path.includes("/events") && ++streams === 1) return new Response(stream);
          return real(path, ...rest);
        };
        ask("First?");
        await until(() => streams);
        ask("Second?");
        speak();
        await new Promise((done) => setTimeout(done, 1000));
        return [$("answer").textContent, $("ask-state").textContent];
    """

    assert browser.run(f"{api.url}/", PAGE + pieces) == ["", "sending…"]


def test_what_cannot_be_a_key_is_told_and_the_service_is_not_away(browser: Chromium, keyed: Service) -> None:
    typed = """
        await fill();
        type("schlüssel🔑");
        await until(() => $("jobs-note").textContent.startsWith("This cannot be an API key"));
        await until(() => $("dead-note").textContent.startsWith("This cannot be an API key"));
        ask("What colour?");
        await until(() => $("ask-state").textContent.startsWith("This cannot be an API key"));
        await new Promise((done) => setTimeout(done, 1000));
        return [$("health").className, ...filled(...FILLED)];
    """

    assert browser.run(f"{keyed.url}/", PAGE + typed) == ["health degraded"]
