"""``aegis backup`` and ``aegis restore``: what they send, show, ask and refuse."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli import units
from cli.client.client import Client
from cli.commands import backup, restore
from cli.commands.call import Call
from rag.errors import AegisError
from rag.model import Json

SAVED: Json = {
    "id": "b2",
    "began_at": "2026-11-23T20:00:00Z",
    "finished_at": "2026-11-23T20:01:00Z",
    "mode": "incremental",
    "trigger": "schedule",
    "application": "1.2.3",
    "engine": {"kind": "edge", "version": "0.7"},
    "encrypted": True,
    "sources": "copied",
    "bytes": 1_234_567_890,
    "objects": 9,
    "documents": 4,
    "points": 42,
    "collections": [
        {"name": name, "documents": 2, "points": 21, "digest": "ab", "embedding_model": "m", "dimension": 8,
         "late": late}
        for name, late in (("docs", 1), ("wiki", 0))
    ],
    "missing": ["the second layout of wiki"],
}  # fmt: skip
DAMAGED: Json = {"id": "b1", "error": {"detail": "manifests/b1 is damaged"}}
OUTCOME: Json = {"at": "2026-11-23T20:01:00Z", "seconds": 75.0, "ok": True, "error": None}
FAILED: Json = {**OUTCOME, "ok": False, "error": "3 points [differ]"}
NEVER: Json = {"last": None, "last_good": None}
STANDING: Json = {
    "backup": {"last": OUTCOME, "last_good": OUTCOME},
    "verify": {"last": FAILED, "last_good": None},
    "rehearse": {"last": FAILED, "last_good": OUTCOME},
    "prune": NEVER,
    "restore": NEVER,
}
RESULTS: dict[str, Json] = {
    "backup": {"backup": "b3", "documents": 1, "points": 42, "bytes": 5_000_000, "sent": 1000, "seconds": 3.2,
               "collections": 1, "missing": ["a [thing]"]},
    "verify": {"backup": "b2", "objects": 9, "bytes": 2_000, "seconds": 1.0},
    "rehearse": {"backup": "b2", "documents": 4, "points": 42, "golden": 20, "overlap": 0.985,
                 "seconds": 7300},
    "prune": {"removed": 1, "kept": 30, "objects": 5, "bytes": 5_000, "locked": 2},
    "restore": {"collections": [{"name": "docs", "into": None, "documents": 2, "points": 21}], "replayed": 3,
                "jobs": 7, "dead_letters": 1, "reingested": 1, "not_replayed": ["job 7: its file is gone"],
                "undeleted": ["isle02"], "missing": [], "seconds": 61.0},
}  # fmt: skip


class Api(Client):
    """Each job is seen at work once, and has succeeded then; ``there``: the collections of today."""

    def __init__(self, *there: str, **end: object) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._there = there
        self._end = end
        self._kind = ""

    def close(self) -> None: ...

    def _submit(self, path: str, **request: Any) -> Json:
        self.calls.append((path, request.get("json")))
        self._kind = path.rpartition("/")[2].removesuffix("s")
        return {"job_id": "1"}

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        yield "state", {"state": "running", "stage": "upload"}
        yield "progress", {"done": 1_000_000, "total": 3_000_000}

    def job(self, job_id: str, *, wait: float = 0) -> Json:
        if not wait:
            return {"kind": self._kind, "state": "running", "stage": "upload"}
        return {"kind": self._kind, "state": "succeeded", "result": RESULTS[self._kind], **self._end}

    def _call(self, method: str, path: str, **request: Any) -> Json:
        self.calls.append((path, request.get("params")))
        pages = {
            "/v1/backups": [SAVED, DAMAGED],
            "/v1/collections": [{"name": name, "documents": 1} for name in self._there],
        }
        if path in pages:
            return {"items": pages[path], "next": None}
        return STANDING if path.endswith("standing") else SAVED


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Api]:
    def made(*there: str, **end: object) -> Api:
        api = Api(*there, **end)
        monkeypatch.setattr(Call, "client", lambda _: api)
        return api

    return made


def run(*arguments: str, **more: Any) -> Result:
    if arguments[0] == "restore":
        app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
        app.command()(restore.restore)
    else:
        app = backup.app
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(arguments[1:]), **more)


@pytest.mark.parametrize(
    ("arguments", "sent", "shown"),
    [
        ((), ("/v1/backups", {"mode": "incremental"}),
         "backup b3: 1 document and 42 points, 5.0 MB, of which 1.0 kB were sent, in 3.2 s"),
        (("--full",), ("/v1/backups", {"mode": "full"}), "missing: a [thing]"),
        (("verify",), ("/v1/backups/latest/verify", None), "b2 is whole: 9 objects with 2.0 kB"),
        (("rehearse", "b2"), ("/v1/backups/b2/rehearse", None),
         "98% of the hits of 20 golden queries found again, in 2 h 1 m"),
        (("prune",), ("/v1/backups/prune", None), "1 backup removed, 30 backups kept"),
    ],
)  # fmt: skip
def test_a_job_is_handed_in_and_followed(api, arguments, sent, shown) -> None:
    calls = api().calls

    told = run("backup", *arguments)

    assert told.exit_code == 0, told.output
    assert calls[-1] == sent
    assert "✓ upload" in told.output
    assert shown in told.output


def test_nobody_has_to_wait(api) -> None:
    api()

    assert run("backup", "--no-wait").output == "job 1\n"


def test_json_has_stdout_for_itself(api) -> None:
    api()

    told = run("backup", "--json")

    assert json.loads(told.stdout) == RESULTS["backup"]
    assert "upload" in told.stderr


def test_the_list_shows_what_is_damaged_and_how_the_last_jobs_ended(api) -> None:
    api()

    shown = run("backup", "list").output

    assert "1.2 GB" in shown
    assert "✗ b1 manifests/b1 is damaged" in shown
    assert "· b2 lacks the second layout of wiki" in shown
    assert "✓ last backup" in shown
    assert "ago, in 1 m 15 s" in shown
    assert "failed: 3 points [differ]; none succeeded yet" in shown
    assert "failed: 3 points [differ]; the last good one was" in shown
    assert "no prune yet" in shown


def test_one_backup_is_shown_by_collection(api) -> None:
    api()

    shown = run("backup", "show", "b2").output

    assert "1.2 GB in 9 objects" in shown
    assert "2 documents, 21 points, and 1 document published meanwhile; m (8); digest ab" in shown


def test_a_job_that_fails_says_why_and_calls_no_stage_done(api) -> None:
    api(state="failed", error={"detail": "parts/ab is damaged"})

    told = run("backup", "verify")

    assert isinstance(told.exception, AegisError)
    assert "ended as failed: parts/ab is damaged" in str(told.exception)
    assert "✓" not in told.output


def test_a_restore_beside_what_is_there_asks_nothing(api) -> None:
    calls = api("docs", "copy").calls  # whether that may be is for the API to say

    told = run("restore", "latest", "--collection", "docs", "--into", "copy")

    assert told.exit_code == 0, told.output
    options = {"collection": "docs", "into": "copy", "replay": True, "deletions": False}
    assert calls[-1] == ("/v1/backups/b2/restore", options)
    assert "copy: 2 documents" in told.output
    assert "in place of" not in told.output
    assert "docs: 2 documents and 21 points" in told.output
    assert "7 job records and 1 dead letter that were missing are back" in told.output
    assert "1 document without all of their points" in told.output
    assert "3 jobs replayed" in told.output
    assert "not replayed: job 7: its file is gone" in told.output
    assert "back, though deleted after the backup: isle02" in told.output
    assert "restored in 1 m 1 s" in told.output


def test_what_would_be_replaced_is_shown_and_asked_about(api, monkeypatch) -> None:
    monkeypatch.setattr(restore, "_on_a_terminal", lambda: True)
    calls = api("docs").calls

    refused = run("restore", "b2", input="n\n")

    assert refused.exit_code == 1
    assert "docs: 2 documents, in place of 1 document" in refused.output
    assert "wiki: 2 documents\n" in refused.output
    assert not any("restore" in str(path) for path, _ in calls)
    assert run("restore", "b2", input="y\n").exit_code == 0
    assert calls[-1][0] == "/v1/backups/b2/restore"


def test_where_nobody_can_be_asked_or_a_yes_is_there_nobody_is(api, monkeypatch) -> None:
    calls = api("docs").calls

    assert run("restore", "latest").exit_code == 0
    assert calls[-1][0] == "/v1/backups/b2/restore"
    monkeypatch.setattr(restore, "_on_a_terminal", lambda: True)
    assert run("restore", "latest", "--yes").exit_code == 0


def test_a_time_is_local_unless_it_says_otherwise(api) -> None:
    calls = api().calls

    assert run("restore", "latest", "--at", "2026-11-23T20:15:00+02:00").exit_code == 0
    assert calls[0] == ("/v1/backups/latest", {"at": "2026-11-23T18:15:00+00:00"})
    assert calls[-1][1] == {"at": "2026-11-23T18:15:00+00:00", "replay": True, "deletions": False}


@pytest.mark.parametrize("text", ["yesterday", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_time_is_refused(api, text) -> None:
    calls = api().calls

    assert run("restore", "latest", "--at", text).exit_code == 2
    assert calls == []


@pytest.mark.parametrize("option", [("--url", "http://other.test"), ("--json",), ("--full",), ("--no-wait",)])
@pytest.mark.parametrize("command", ["list", "verify"])
def test_an_option_before_a_command_that_it_would_not_reach_is_refused(api, option, command) -> None:
    calls = api().calls

    told = run("backup", *option, command)

    assert told.exit_code == 2
    assert f"options go behind `{command}`" in told.output
    assert calls == []


def test_a_backup_without_documents_is_warned_of(api, monkeypatch) -> None:
    api()
    monkeypatch.setitem(SAVED, "documents", 0)

    assert "it has no documents" in run("restore", "latest").output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 m 0 s"),
        (7325, "2 h 2 m"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text
