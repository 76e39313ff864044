"""``aegis dlq``: what it shows, what it does, and its exit statuses."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.client.client import Client
from cli.commands import dead_letters
from cli.commands.call import Call
from cli.commands.dead_letters import DEAD_LETTERS, dead_letter_page
from cli.tables.tables import print_page, print_table
from rag.errors import Conflict, NotFound, Unavailable
from rag.model import Json


def letter(job_id: str = "1", **fields: Any) -> Json:
    died = datetime.now(UTC) - fields.pop("ago", timedelta(minutes=3, seconds=30))
    return {
        "id": job_id,
        "kind": "query",
        "collection": "handbook",
        "document_id": None,
        "subject": {"name": "Why [now]?"},
        "stage": "generate",
        "reason": "unavailable",
        "error": {"title": "Given up", "detail": "the model is away [503]"},
        "attempts": 3,
        "retries": 2,
        "created_at": "2026-11-23T10:00:00Z",
        "died_at": died.isoformat(),
        "inputs": {"question": "Why [now]?", "top_k": 10, "filter": {}},
        **fields,
    }


class Desk(Client):
    """Dead letters a, b and c, of which c cannot be changed any more."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.ends = {"a": "succeeded", "b": "dead"}
        self.letters = [letter(name) for name in "abc"]

    def close(self) -> None: ...

    def dead_letters(self, reason: str | None = None, collection: str | None = None) -> Iterator[Json]:
        self.calls.append(("list", reason, collection))
        yield from self.letters

    def dead_letter(self, job_id: str) -> Json:
        return next(letter for letter in self.letters if letter["id"] == job_id)

    def replay(self, job_id: str) -> Json:
        return self._changed("replay", job_id)

    def replay_all(self, reason: str | None = None, collection: str | None = None) -> tuple[int, int]:
        self.calls.append(("replay all", reason, collection))
        return 3, 7

    def drop(self, job_id: str) -> Json:
        return self._changed("drop", job_id)

    def drop_all(self, reason: str | None = None, collection: str | None = None) -> int:
        self.calls.append(("drop all", reason, collection))
        return 3

    def wait_for_job(self, job_id: str) -> Json:
        state = self.ends[job_id]
        return {"state": state, "error": None if state == "succeeded" else {"detail": "still away"}}

    def _changed(self, what: str, job_id: str) -> Json:
        if job_id == "c":
            raise Conflict("job c is queued")
        if job_id not in self.ends:
            raise NotFound(f"There is no job {job_id!r}")
        self.calls.append((what, job_id))
        return {"job_id": job_id}


Dlq = Callable[..., Result]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    monkeypatch.setattr(Call, "client", lambda _: made)
    return made


@pytest.fixture
def dlq(desk: Desk) -> Dlq:
    def run(*arguments: str, **more: Any) -> Result:
        return CliRunner().invoke(dead_letters.app, arguments, **more)

    return run


def listed(*letters: Json) -> str:
    out = StringIO()
    print_table(letters, DEAD_LETTERS, out)
    return out.getvalue()


def test_the_list_tells_age_reason_stage_and_subject() -> None:
    old = letter("2", kind="ingest", subject={"name": "a.pdf"}, ago=timedelta(days=2))

    _, first, second = listed(letter(), old).splitlines()

    assert first.split() == ["1", "3", "m", "ago", "unavailable", "generate", "Why", "[now]?"]
    assert second.split() == ["2", "2", "d", "ago", "unavailable", "generate", "a.pdf"]


def test_one_letter_is_shown_with_all_that_is_known() -> None:
    out = StringIO()
    print_page(dead_letter_page(letter()), out)
    page = out.getvalue()

    for fact in (
        "Why [now]?",
        "query in collection handbook",
        "the model is away [503]",
        "2 retries",
        "top_k",
    ):
        assert fact in page
    assert "filter" not in page
    assert "document" not in page


def test_a_list_of_none_says_so(dlq: Dlq, desk: Desk) -> None:
    desk.letters = []

    assert dlq("list").output == "There are no dead letters.\n"
    assert json.loads(dlq("list", "--json").output) == []


def test_json_is_what_the_api_says(dlq: Dlq, desk: Desk) -> None:
    assert json.loads(dlq("list", "--json", "--reason", "crashed").output) == desk.letters
    assert json.loads(dlq("show", "a", "--json").output) == desk.letters[0]
    assert desk.calls == [("list", "crashed", None), ("list", None, None)]


@pytest.mark.parametrize("command", ["replay", "drop"])
@pytest.mark.parametrize("arguments", ["", "a --all", "a --reason x", "--reason x --all"])
def test_what_cannot_be_meant_is_status_2(dlq: Dlq, desk: Desk, command: str, arguments: str) -> None:
    refused = dlq(command, *arguments.split())

    assert refused.exit_code == 2
    assert "either ids" in refused.output
    assert desk.calls == []


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_named_ones_are_changed_and_the_others_are_named(dlq: Dlq, desk: Desk, command: str) -> None:
    result = dlq(command, "a", "c", "nobody", "b", "a")

    assert result.exit_code == 1
    assert [call for call in desk.calls if call[0] == command] == [(command, "a"), (command, "b")]
    assert "c: job c is queued" in result.stderr
    assert "nobody: there is no dead letter 'nobody'" in result.stderr
    assert result.stdout.startswith("2 ")
    assert dlq(command, "a").exit_code == 0


def test_a_reason_is_replayed_in_one_call(dlq: Dlq, desk: Desk) -> None:
    result = dlq("replay", "--reason", "unavailable", "--collection", "handbook")

    assert (result.exit_code, desk.calls) == (0, [("replay all", "unavailable", "handbook")])
    assert result.stdout.startswith("3 replayed")
    assert "7 are left" in result.stdout


def test_waiting_follows_each_job_to_its_end(dlq: Dlq, desk: Desk) -> None:
    desk.letters = desk.letters[:2]

    result = dlq("replay", "--all", "--wait")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["2 replayed", "a succeeded", "b dead: still away"]
    assert dlq("replay", "a", "--wait").exit_code == 0


def test_dropping_many_needs_a_yes(dlq: Dlq, desk: Desk) -> None:
    refused = dlq("drop", "--all")

    assert refused.exit_code == 2
    assert "--yes" in refused.output
    assert desk.calls == []

    assert dlq("drop", "--all", "--yes").stdout == "3 dropped\n"
    assert desk.calls[-1] == ("drop all", None, None)


@pytest.mark.parametrize(("said", "status"), [("y\n", 0), ("n\n", 1)])
def test_a_terminal_is_asked(
    dlq: Dlq, desk: Desk, monkeypatch: pytest.MonkeyPatch, said: str, status: int
) -> None:
    monkeypatch.setattr(dead_letters, "on_a_terminal", lambda: True)

    result = dlq("drop", "--reason", "crashed", input=said)

    assert result.exit_code == status
    assert "Drop 3 dead letters" in result.output
    assert (("drop all", "crashed", None) in desk.calls) is (said == "y\n")


def test_an_api_that_is_away_ends_it(dlq: Dlq, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_job_id: str) -> Json:
        raise Unavailable("nobody answers")

    monkeypatch.setattr(desk, "replay", away)

    assert isinstance(dlq("replay", "a", "b").exception, Unavailable)
