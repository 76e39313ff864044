"""/docs in a real browser: every operation is there and opens, and a key is asked for once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import Chromium, chromium
from tests.integration.apiserver import Service, serving, settings_of

KEY = "a-key-of-sixteen-and-more"
WAIT = """
const $ = (selector) => [...document.querySelectorAll(selector)];
const wait = async (until) => { while (!until()) await new Promise((done) => setTimeout(done, 100)); };
await wait(() => $(".opblock").length);
"""
OPEN_EACH = f"""{WAIT}
const seen = {{}};
const texts = (block, selector) => [...block.querySelectorAll(selector)].map((shown) => shown.textContent);
for (const block of $(".opblock")) {{
  const toggle = block.querySelector(".opblock-summary-control");
  toggle.click();
  await wait(() => block.querySelector(".responses-inner"));
  seen[block.id.split("-").pop()] = {{
    errors: texts(block, ".errors-wrapper, .error-wrapper"),
    answers: texts(block, ".response .response-col_status").map((text) => text.slice(0, 3)),
  }};
  toggle.click(); // with all of them open each takes longer than the one before
}}
return seen;
"""
TYPE_KEY = f"""{WAIT}
$(".btn.authorize")[0].click();
await wait(() => $(".auth-container input").length);
const field = $(".auth-container input")[0];
Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, "{KEY}");
field.dispatchEvent(new Event("input", {{ bubbles: true }}));
$(".auth-btn-wrapper .authorize")[0].click();
await wait(() => $(".btn.authorize.locked").length);
"""
TRY = f"""{WAIT}
await wait(() => $(".btn.authorize.locked").length);
$("#operations-jobs-list_jobs .opblock-summary-control")[0].click();
await wait(() => $(".try-out__btn").length);
$(".try-out__btn")[0].click();
await wait(() => $(".btn.execute").length);
$(".btn.execute")[0].click();
await wait(() => $(".live-responses-table .response-col_status").length);
return [
  $(".live-responses-table .response .response-col_status")[0].textContent.trim().slice(0, 3),
  Object.keys(localStorage).length, document.cookie,
];
"""
FORGET = f"""{WAIT}
await wait(() => $(".btn.authorize.locked").length);
$(".btn.authorize")[0].click();
await wait(() => $(".auth-btn-wrapper .btn").length);
$(".auth-btn-wrapper .btn")[0].click();
await wait(() => $(".btn.authorize.unlocked").length);
return sessionStorage.getItem("key");
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as running:
        yield running


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    keys = {KEY: {"name": "ann", "role": "admin", "collections": ["*"]}}
    with serving(settings_of(valkey, tmp_path / "home", api_keys=keys)) as service:
        yield service


@pytest.mark.timeout(900)  # Swagger UI takes a second for each on a busy machine
def test_every_operation_is_shown_and_opens_without_an_error(browser: Chromium, api: Service) -> None:
    described = api.http.get("/openapi.json").json()["paths"]
    answers = {
        operation["operationId"]: sorted(operation["responses"])
        for methods in described.values()
        for operation in methods.values()
    }

    seen = browser.run(f"{api.url}/docs", OPEN_EACH)

    assert {name: sorted(each["answers"]) for name, each in seen.items()} == answers
    assert [each["errors"] for each in seen.values() if each["errors"]] == []
    assert browser.errors == []


def test_a_key_that_was_typed_in_is_good_after_a_reload_and_kept_nowhere_else(
    browser: Chromium, api: Service
) -> None:
    assert browser.run(f"{api.url}/docs", TYPE_KEY, TRY) == ["200", 0, ""]
    assert browser.errors == []


def test_a_key_that_is_logged_out_is_forgotten(browser: Chromium, api: Service) -> None:
    assert browser.run(f"{api.url}/docs", TYPE_KEY, FORGET) is None


def test_a_key_of_the_console_is_good_here_too(browser: Chromium, api: Service) -> None:
    typed = f'sessionStorage.setItem("key", "{KEY}");'

    assert browser.run(f"{api.url}/docs", typed, TRY) == ["200", 0, ""]


def test_who_asks_for_the_other_page_of_fastapi_gets_this_one(browser: Chromium, api: Service) -> None:
    seen = browser.run(f"{api.url}/redoc", f"{WAIT} return [location.pathname, $('.opblock').length > 30];")

    assert seen == ["/docs", True]
