"""The console's page of a job, and its link to Flower: in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import Chromium
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.console.test_console_documents import UNTIL

FLOWER = "https://rag.example.com/flower/"
FACTS = "return until(() => document.querySelectorAll('#facts tr').length > 3 && document.body.innerText);"
TOLD = "return until(() => document.querySelector('#state.bad')?.textContent);"
LINKS = """
await until(() => document.querySelector("#jobs a"));
const links = [...document.querySelectorAll("header nav a, #jobs a")];
return Object.fromEntries(links.map((each) => [each.textContent, each.href]));
"""


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    fields = {"flower_url": FLOWER, "flower_url_prefix": "flower"}
    with serving(settings_of(valkey, tmp_path / "home", **fields)) as service:
        yield service


def test_a_job_s_page_shows_what_it_is_about_and_how_it_ended(browser: Chromium, api: Service) -> None:
    job_id = api.ask("Where is the lamp?")
    page = f"{api.url}/console/job.html#{job_id}"

    waiting = browser.run(page, UNTIL + FACTS)
    api.finish(job_id)
    over = browser.run(page, UNTIL + FACTS)

    assert "Where is the lamp?" in waiting
    assert "waiting, place 1" in waiting
    assert job_id in over
    assert "succeeded" in over


def test_a_job_that_is_not_there_is_told(browser: Chromium, api: Service) -> None:
    assert "no job" in browser.run(f"{api.url}/console/job.html#nothing", UNTIL + TOLD)
    assert "names no job" in browser.run(f"{api.url}/console/job.html", UNTIL + TOLD)


def test_the_console_leads_to_flower_and_to_each_job(browser: Chromium, api: Service) -> None:
    job_id = api.ask("Where is the lamp?")

    links = browser.run(f"{api.url}/", UNTIL + LINKS)

    assert links["Flower"] == FLOWER
    assert links["query · Where is the lamp?"] == f"{api.url}/console/job.html#{job_id}"
