"""A page elsewhere, in a real browser, tries whatever a page can try on a stack without keys."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import REBOUND, Chromium, chromium
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.supervisor.test_flower import flower

CHANGES = (
    "/v1/backups", "/v1/backups/prune", "/v1/backups/latest/restore", "/v1/backups/latest/verify",
    "/v1/backups/latest/rehearse", "/v1/dead-letters/replay", "/v1/dead-letters/x/replay", "/v1/jobs/x/retry",
    "/v1/collections/c/reindex", "/v1/collections/c/rollback",
)  # fmt: skip
READS = ("/v1/documents", "/v1/jobs", "/v1/backups", "/openapi.json", "/health/ready", "/metrics")

ATTACK = """
const sent = [];
const send = (path, options) => sent.push(fetch(API + path, options).catch(() => null));
const file = () => {
  const form = new FormData();
  form.append("file", new Blob(["planted"]), "a.txt");
  return form;
};
const text = JSON.stringify({text: "planted"});
for (const mode of ["no-cors", "cors"]) {
  send("/v1/documents", {method: "POST", mode, body: file()});
  for (const path of ["/v1/documents", "/v1/queries", ...CHANGES]) {
    send(path, {method: "POST", mode});
    send(path, {method: "POST", mode, body: text});
    send(path, {method: "POST", mode, body: new Blob([text])});
    send(path, {method: "POST", mode, body: text, referrerPolicy: "no-referrer", credentials: "include"});
  }
}
send("/v1/documents", {method: "POST", body: text, headers: {"Content-Type": "application/json"}});
for (const path of ["/v1/jobs/x", "/v1/documents/a", "/v1/dead-letters?all=true", "/v1/collections/c"])
  send(path, {method: "DELETE"});
send("/v1/collections/planted", {method: "PUT"});
navigator.sendBeacon(API + "/v1/documents", file());
navigator.sendBeacon(API + "/v1/backups");
await Promise.all(sent);
for (const type of ["multipart/form-data", "text/plain", "application/x-www-form-urlencoded"]) {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  frame.name = "f" + type;
  Object.assign(form, {method: "POST", action: API + "/v1/backups", enctype: type, target: frame.name});
  document.body.append(frame, form);
  const loaded = new Promise((done) => { frame.onload = done; });
  form.submit();
  await loaded;
}
const read = [];
for (const path of READS) {
  const answer = await fetch(API + path).catch(() => null);
  if (answer?.ok) read.push(await answer.text());
}
return read;
"""
SUBMIT = """
const answers = [];
const send = (path, options) => fetch(path, options).then((answer) => answers.push(answer.status));
const headers = {"Content-Type": "application/json"};
await send("/v1/documents", {method: "POST", headers, body: '{"text": "ours"}'});
await send("/v1/backups", {method: "POST"});
await send("/v1/jobs");
return answers;
"""


def attack(api: str) -> str:
    """The script, against the API at ``api``."""
    names = {"API": api, "CHANGES": CHANGES, "READS": READS}
    return "".join(f"const {name} = {json.dumps(value)};\n" for name, value in names.items()) + ATTACK


@contextmanager
def page() -> Iterator[int]:
    """The port of a server of somebody else's page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title><body>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as running:
        yield running


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path / "home")) as service:
        yield service


def jobs(service: Service) -> list[Any]:
    items: list[Any] = service.http.get("/v1/jobs").json()["items"]
    return items


def changed(service: Service) -> bool:
    return bool(jobs(service) or service.http.get("/v1/collections").json()["items"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", REBOUND])
def test_a_page_elsewhere_changes_and_reads_nothing(host: str, browser: Chromium, api: Service) -> None:
    with page() as port:
        read = browser.run(f"http://{host}:{port}/", attack(api.url))

    assert read == []
    assert not changed(api)


def test_a_page_whose_name_was_rebound_to_us_changes_and_reads_nothing(
    browser: Chromium, api: Service
) -> None:
    here = api.url.replace("127.0.0.1", REBOUND)

    read = browser.run(f"{here}/health/live", attack(here))

    assert read == []
    assert not changed(api)


def test_the_same_page_does_harm_where_it_may(browser: Chromium, valkey: str, tmp_path: Path) -> None:
    """What is refused above is refused for its origin: where any origin may call, the attack succeeds."""
    settings = settings_of(valkey, tmp_path / "home", cors_origins=["*"])
    with serving(settings) as service, page() as port:
        read = browser.run(f"http://127.0.0.1:{port}/", attack(service.url))

        assert len(read) == len(READS) - 1  # no worker runs, so it is not ready
        assert {job["kind"] for job in jobs(service)} >= {"ingest", "backup", "prune"}


def test_our_own_pages_go_on_working(browser: Chromium, api: Service) -> None:
    waiting = "const seen = () => new Promise((done) => setTimeout(done, 100));"
    docs = f"{waiting} while (!document.querySelector('.opblock')) await seen(); return true;"
    console = (
        f"{waiting} while (document.querySelector('#health').textContent === '…') await seen(); return true;"
    )

    assert browser.run(f"{api.url}/", SUBMIT) == [202, 202, 200]
    assert browser.run(f"{api.url}/", console)
    assert browser.run(f"{api.url}/docs", docs)
    assert {job["kind"] for job in jobs(api)} == {"ingest", "backup"}


def test_no_page_frames_ours(browser: Chromium, api: Service) -> None:
    framing = """
        const frame = document.createElement("iframe");
        const loaded = new Promise((done) => { frame.onload = done; });
        frame.src = %r;
        document.body.append(frame);
        await loaded;
        return frame.contentDocument === null && frame.contentWindow.length === 0;
    """
    policies = [api.http.get(path).headers for path in ("/", "/docs", "/v1/jobs", "/nowhere")]

    assert {policy["X-Frame-Options"] for policy in policies} == {"DENY"}
    assert all("frame-ancestors 'none'" in policy["Content-Security-Policy"] for policy in policies)
    with page() as port:
        assert browser.run(f"http://127.0.0.1:{port}/", framing % f"{api.url}/")


def test_a_page_elsewhere_steers_no_flower(browser: Chromium, valkey: str, tmp_path: Path) -> None:
    steer = """
        const sent = [];
        for (const path of ["/api/worker/shutdown/parse@here", "/api/task/send-task/x", "/api/workers", "/"])
          for (const [method, mode] of [["POST", "no-cors"], ["POST", "cors"], ["GET", "cors"]])
            sent.push(fetch(FLOWER + path, {method, mode}).then((answer) => answer.status, () => "refused"));
        return Promise.all(sent);
    """
    with flower(valkey, tmp_path / "home") as http, page() as port:
        script = f"const FLOWER = {json.dumps(str(http.base_url))};{steer}"
        there = str(http.base_url).replace("127.0.0.1", REBOUND)

        foreign = browser.run(f"http://127.0.0.1:{port}/", script)
        rebound = browser.run(f"{there}/", script.replace("127.0.0.1", REBOUND))

    assert set(foreign) == {"refused"}
    assert set(rebound) == {403}
