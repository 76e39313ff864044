"""The console takes in files under their paths, and shows a document with a passage marked: in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.model import DocumentVersion
from rag.text.places import passage_page
from tests.chromium import Chromium
from tests.integration.apiserver import Service, serving, settings_of

TEXT = "Before it 😀.\n\nThe lamp is violet.\n\nBehind it."
MARKED = "The lamp is violet."

UNTIL = """
const until = async (seen) => {
  for (let n = 0; n < 600; n++) {
    const found = seen();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(document.body.innerText);
};
"""
SHOW = """
const mark = await until(() => document.querySelector("#text mark"));
return { name: document.querySelector("#name").textContent, mark: mark.textContent,
  text: document.querySelector("#text").textContent, state: document.querySelector("#state").textContent,
  facts: document.querySelector("#facts").innerText };
"""
CHOOSE = """
const choose = (input, ...files) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  document.querySelector(input).files = transfer.files;
  document.querySelector(input).dispatchEvent(new Event("change"));
};
"""
WAITING = """
await until(() => document.querySelector("#uploads li")?.innerText.includes("waiting"));
return true;
"""
ENTRIES = """
const file = (name) => ({ isFile: true, name, file: (done) => done(new File([name], name)) });
const folder = (name, ...inside) => ({ isFile: false, name, createReader: () => {
  const parts = [inside.slice(0, 2), inside.slice(2), []];
  return { readEntries: (done) => done(parts.shift() ?? []) };
} });
const item = (entry) => ({ webkitGetAsEntry: () => entry });
const drop = (...entries) => ({ items: entries.map(item), files: [] });
const unreadable = (entry) => ({ ...entry, file: (_, failed) => failed(new Error("It is not yours.")) });
const broken = (name, ...inside) => ({ isFile: false, name, createReader: () => {
  const parts = inside.length ? [inside] : []; // an empty one would be the end
  const fail = (failed) => failed(new Error("It is locked."));
  return { readEntries: (done, failed) => parts.length ? done(parts.shift()) : fail(failed) };
} });
"""
DROP = """
const { dropped } = await import("/console/files.js");
const guides = folder("guides", file("vpn.md"), folder("deep", file("x.md")));
const modules = folder("node_modules", file("y.md"));
const tree = folder("docs", file("b.md"), file(".hidden"), guides, modules, file("a.md"));
const found = await dropped(drop(tree, file("alone.md"), folder("other", file("a.md"))));
return found.map(({ path }) => path);
"""


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path / "home")) as service:
        yield service


def page_of(api: Service, version: int = 1) -> str:
    start = TEXT.index(MARKED)
    place = DocumentVersion("guides/lamp ü.md", version)
    return api.url + passage_page("aegis_docs_v2", place, start, start + len(MARKED))


def jobs(api: Service) -> list[Any]:
    items: list[Any] = api.http.get("/v1/jobs").json()["items"]
    return items


def inputs_of(api: Service) -> dict[str, Any]:
    """Of the newest job."""
    job = api.parts.jobs.get(jobs(api)[0]["id"])
    assert job is not None
    return dict(job.inputs)


def test_a_citation_s_address_opens_the_passage(browser: Chromium, api: Service) -> None:
    api.publish("guides/lamp ü.md", TEXT)

    shown = browser.run(page_of(api), UNTIL + SHOW)

    assert shown["mark"] == MARKED
    assert (shown["text"], shown["name"], shown["state"]) == (TEXT, "Title", "")
    assert "guides/lamp ü.md" in shown["facts"]


def test_it_says_that_the_document_has_changed_since(browser: Chromium, api: Service) -> None:
    api.publish("guides/lamp ü.md", TEXT)

    assert "another version" in browser.run(page_of(api, version=7), UNTIL + SHOW)["state"]


def test_a_document_that_is_not_there_is_told(browser: Chromium, api: Service) -> None:
    told = "return until(() => document.querySelector('#state.bad')?.textContent);"

    assert "no document" in browser.run(page_of(api), UNTIL + told)


def test_a_file_that_is_gone_before_its_turn_is_to_be_chosen_again(browser: Chromium, api: Service) -> None:
    gone = """
        const folder = await navigator.storage.getDirectory();
        const entry = await folder.getFileHandle("gone.md", { create: true });
        const into = await entry.createWritable();
        await into.write("one");
        await into.close();
        const file = await entry.getFile();
        await folder.removeEntry("gone.md");
        const event = Object.assign(new Event("drop", { cancelable: true }), { dataTransfer: {
          items: [], files: [file],
        } });
        document.querySelector("#drop").dispatchEvent(event);
        await until(() => document.querySelector("#uploads .failed"));
        return document.querySelector("#uploads small").textContent;
    """

    told = browser.run(f"{api.url}/", UNTIL + gone)

    assert told == "This file can no longer be read: choose it again."
    assert jobs(api) == []


def test_a_file_whose_answer_was_lost_is_sent_again_and_makes_one_job(
    browser: Chromium, api: Service
) -> None:
    lost = """
        const real = window.fetch;
        let sent = 0;
        window.fetch = async (path, ...rest) => {
          const answered = await real(path, ...rest);
          if (path === "/v1/documents" && ++sent === 1) throw new TypeError("Failed to fetch");
          return answered;
        };
        choose("#files", ["a.md", "one"]);
    """

    assert browser.run(f"{api.url}/", UNTIL + CHOOSE + lost + WAITING.replace("true", "sent")) == 2
    assert len(jobs(api)) == 1


@pytest.mark.parametrize(
    ("name", "document_id", "title"),
    [
        ('the "lamp" ü.md', 'the "lamp" ü.md', 'the "lamp" ü.md'),
        ("a\\b.md", "a\\b.md", "a\\b.md"),
        ("a\nb\r.md", "a%0Ab%0D.md", "a b .md"),
        ("plain.md", "plain.md", None),
    ],
)
def test_files_have_their_names_as_ids(
    browser: Chromium, api: Service, name: str, document_id: str, title: str | None
) -> None:
    chosen = CHOOSE + f"choose('#files', [{json.dumps(name)}, 'one']);" + WAITING

    assert browser.run(f"{api.url}/", UNTIL + chosen)
    (job,) = jobs(api)
    stored = api.parts.jobs.get(job["id"])
    assert stored is not None
    assert (stored.inputs["document_id"], stored.inputs["title"]) == (document_id, title)


def test_what_is_to_be_kept_is_asked_for(browser: Chromium, api: Service) -> None:
    sent = api.http.post("/v1/documents", files={"file": ("a.md", b"one")}).json()
    chosen = (
        CHOOSE
        + "document.querySelector('#keep').checked = true; choose('#files', ['a.md', 'two']);"
        + WAITING
    )

    assert browser.run(f"{api.url}/", UNTIL + chosen)
    assert sent["document_id"] == "a.md"
    assert inputs_of(api)["document_id"].startswith("a~")


def test_folders_that_are_dropped_give_paths_below_them(browser: Chromium, api: Service) -> None:
    paths = browser.run(f"{api.url}/", ENTRIES + DROP)

    assert sorted(paths) == sorted(["a.md", "b.md", "guides/deep/x.md", "guides/vpn.md", "alone.md", "a.md"])


def test_what_cannot_be_read_of_a_drop_is_refused_and_the_rest_is_sent(
    browser: Chromium, api: Service
) -> None:
    dropped = """
        const inner = folder("guides", unreadable(file("b.md")), broken("deep", file("c.md")), file("d.md"));
        const transfer = drop(unreadable(file("a.md")), folder("docs", inner), broken("other"), file("e.md"));
        const event = Object.assign(new Event("drop", { cancelable: true }), { dataTransfer: transfer });
        document.querySelector("#drop").dispatchEvent(event);
        const items = () => [...document.querySelectorAll("#uploads li")];
        const told = () => items().map((item) => [...item.children].map((each) => each.textContent));
        const settled = () => told().every(([, state]) => /refused|waiting/.test(state));
        return until(() => items().length === 7 && settled() && told());
    """

    shown = browser.run(f"{api.url}/", UNTIL + ENTRIES + dropped)

    assert sorted(entry for entry in shown if entry[1] == "refused") == [
        ["a.md", "refused", "It is not yours."],
        ["guides/b.md", "refused", "It is not yours."],
        ["guides/deep", "refused", "It is locked."],
        ["other", "refused", "It is locked."],
    ]
    sent = {job["subject"]["document_id"] for job in jobs(api)}
    assert sent == {"guides/deep/c.md", "guides/d.md", "e.md"}


def test_title_and_metadata_are_changed_from_the_page(browser: Chromium, api: Service) -> None:
    api.publish("guides/lamp ü.md", TEXT)
    change = """
        await until(() => document.querySelector("#text mark"));
        document.querySelector("#title").value = "Lamp";
        document.querySelector("#metadata").value = '{"year": 2026}';
        document.querySelector("#change").requestSubmit();
        await until(() => document.querySelector("#changed").textContent === "changing…");
        for (let n = 0; n < 100; n++) {
          const { items } = await (await fetch("/v1/jobs")).json();
          if (items.length) return true;
          await new Promise((done) => setTimeout(done, 100));
        }
    """

    assert browser.run(page_of(api), UNTIL + change)
    inputs = inputs_of(api)
    assert (inputs["title"], inputs["metadata"]) == ("Lamp", {"year": 2026})
