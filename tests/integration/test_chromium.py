"""The browser that tests share: one that has ended fails one test, and no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chromium import Chromium, chromiums

PAGE = "data:text/html,<title>A lamp</title>"
TITLE = "return document.title"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[], Chromium]]:
    with chromiums(tmp_path) as running:
        yield running


def test_a_browser_that_runs_is_used_again(running: Callable[[], Chromium]) -> None:
    first = running()

    assert first.run(PAGE, TITLE) == "A lamp"
    assert running() is first


def test_a_page_that_kills_its_browser_fails_and_the_next_page_is_shown(
    running: Callable[[], Chromium],
) -> None:
    killed = running()
    with pytest.raises(AssertionError, match="Chromium has ended"):
        killed._call("Browser.crash")
    with pytest.raises(AssertionError, match="Chromium has ended"):
        killed.run(PAGE, TITLE)

    assert killed.ended
    assert running().run(PAGE, TITLE) == "A lamp"


def test_a_browser_that_ended_between_two_tests_is_replaced(running: Callable[[], Chromium]) -> None:
    ended = running()
    ended._process.kill()
    ended._process.wait(30)

    assert running() is not ended
    assert running().run(PAGE, TITLE) == "A lamp"
