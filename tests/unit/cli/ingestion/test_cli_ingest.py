"""``aegis ingest`` as somebody types it: what it prints, where, and what it ends with."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from cli.client.client import Client
from cli.ingestion import display as ingest_display
from cli.ingestion import summary
from cli.ingestion.display import Display, Tally
from cli.ingestion.ingestion import Outcome, Watcher
from cli.ingestion.sources import LocalFile
from cli.ingestion.summary import explain, explain_error
from cli.main import app
from rag.errors import Overloaded, Unauthenticated, Unavailable
from tests.unit.cli.ingestion.ingestapi import Api, problem

Aegis = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    for name in ("a.md", "b.md", ".hidden"):
        (made / name).write_text(name)
    return made


@pytest.fixture
def aegis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aegis:
    """``aegis ingest`` at an API, with a state folder of the test's own."""
    monkeypatch.setattr("cli.commands.ingest.user_state_path", lambda *_, **__: tmp_path / "state")
    monkeypatch.setattr(Client, "sleep", lambda client, seconds: client._stopped.wait(min(seconds, 0.01)))

    def run(api: Api, *arguments: str, **options: object) -> Result:
        client = Client("http://api.test", transport=httpx.MockTransport(api))
        monkeypatch.setattr("cli.client.client.connect", lambda *_: client)
        return CliRunner().invoke(app, ["ingest", *arguments], **options)  # type: ignore[arg-type]

    return run


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_the_summary_is_on_standard_output_alone(aegis: Aegis, folder: Path) -> None:
    done = aegis(Api(), str(folder))

    assert done.exit_code == 0
    assert lines(done.stdout) == ["2 searchable, 4 passages", f"  left out, hidden (1): {folder}/.hidden"]
    assert done.stderr == ""


def test_the_same_again_sends_nothing(aegis: Aegis, folder: Path) -> None:
    api = Api()
    aegis(api, str(folder))

    again = aegis(api, str(folder))

    assert lines(again.stdout)[0] == "2 searchable (2 unchanged), 4 passages"
    assert len(api.posted) == 2


def test_failures_are_told_with_what_to_do_and_the_exit_status_says_how_many(
    aegis: Aegis, folder: Path
) -> None:
    some = Api(
        refuse=lambda name: problem(413, "document-too-large", "Over 50 MB") if name == "b.md" else None
    )
    none = Api(refuse=lambda _: problem(413, "document-too-large", "Over 50 MB"))

    partly, not_at_all = aegis(some, str(folder)), aegis(none, "--again", str(folder))

    assert (partly.exit_code, not_at_all.exit_code) == (1, 6)
    assert lines(partly.stderr) == [f"✗ {folder}/b.md: too large: Over 50 MB"]
    assert lines(partly.stdout)[:3] == [
        "1 searchable, 2 passages; 1 failed",
        f"  too large (1): {folder}/b.md",
        "    split, or have the limit raised where the API runs",
    ]


def test_programs_get_a_row_for_each(aegis: Aegis, folder: Path) -> None:
    rows = sorted(json.loads(aegis(Api(), str(folder), "-o", "json").stdout), key=lambda row: row["name"])
    again = [json.loads(line) for line in lines(aegis(Api(), str(folder), "-o", "jsonl").stdout)]
    table = [line.split("\t") for line in lines(aegis(Api(), str(folder), "-o", "tsv").stdout)]

    assert [(row["name"], row["state"]) for row in rows] == [
        (f"{folder}/.hidden", "left out"),
        (f"{folder}/a.md", "succeeded"),
        (f"{folder}/b.md", "succeeded"),
    ]
    assert rows[1]["result"]["chunks"] == 2
    assert len(again) == 3
    assert table[0][:3] == ["name", "state", "document_id"]
    assert [f"{folder}/a.md", "succeeded", "a.md"] in [row[:3] for row in table]


def test_nothing_to_ingest_is_said(aegis: Aegis, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()

    done = aegis(Api(), str(tmp_path / "none"))

    assert (done.exit_code, done.stdout) == (6, "there is nothing to ingest\n")


def test_a_key_that_is_not_let_in_is_one_line_with_the_setting(aegis: Aegis, folder: Path) -> None:
    done = aegis(Api(refuse=lambda _: problem(401, "unauthenticated", "Send a key")), str(folder))

    assert isinstance(done.exception, Unauthenticated)
    assert re.fullmatch("Send a key.*API_KEY.*", str(done.exception))
    assert done.output == ""


def test_ctrl_c_says_what_goes_on_and_how_to_continue(
    aegis: Aegis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(_: Watcher) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Display, "tick", pressed)

    done = aegis(Api(end=lambda _: None), str(folder), "--url", "http://api.test")

    assert done.exit_code == 130
    assert lines(done.stderr) == [
        "2 documents that the API has accepted will be finished all the same. To watch:",
        "  aegis jobs watch --url http://api.test",
        "The same command again goes on from here, and sends nothing twice.",
    ]
    assert "Traceback" not in done.output


def test_standard_input_is_a_document(aegis: Aegis) -> None:
    api = Api()

    done = aegis(api, "-", "--name", "notes/a.md", input="# Text")

    assert (done.exit_code, [name for name, _ in api.posted]) == (0, ["notes/a.md"])


@pytest.mark.parametrize("arguments", [["-", "-"], ["--name", "a.md", "."], ["--type", "md", "."], []])
def test_options_that_do_not_fit_are_refused(aegis: Aegis, arguments: list[str]) -> None:
    assert aegis(Api(), *arguments).exit_code == 2


def test_a_machine_without_a_state_folder_ingests_all_the_same(
    aegis: Aegis, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")

    done = aegis(Api(), str(folder))

    assert done.exit_code == 0
    assert "is not recorded" in done.stderr


HOSTILE = "a\x1b]0;owned\x07\x9b31m\r\nforged\u202etxt[red]b[/]\x7f"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_has_lines_of_80_columns_and_a_pipe_whole_ones(tmp_path: Path, *, terminal: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=80, no_color=True)
    outcome = Outcome(
        LocalFile(tmp_path / ("long/" * 30 + HOSTILE), "x"), None, "reason " * 40 + HOSTILE, "empty-document"
    )

    with Display(console, Tally(1, 1)) as display:
        display.end(outcome)
        display.delay(Overloaded(HOSTILE * 9, retry_after=7.0), 7.0)
    summary.show_summary(console, [outcome], [], waited=True)

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue())
    assert not {*"\x1b\x07\x9b\u202e\x7f"} & set(shown)
    assert "[red]b[/]" in shown.replace("\n", "")
    if terminal:
        assert max(map(len, re.split(r"[\r\n]+", shown))) <= 80
    else:
        assert sum("reason reason" in line and "[red]b[/]" in line for line in lines(shown)) == 1


def test_what_was_not_read_is_told_for_each_document_up_to_a_bound(tmp_path: Path) -> None:
    warnings = [{"kind": "pages", "count": 2, "text": f"pages 2-3 were not read{HOSTILE}"}]
    job = {"job_id": "j", "result": {"chunks": 1, "warnings": warnings}}
    written = io.StringIO()

    summary.show_summary(
        Console(file=written),
        [Outcome(LocalFile(tmp_path / f"{n}.pdf", f"{n}.pdf"), job) for n in range(25)],
        [],
        waited=True,
    )

    shown = lines(written.getvalue())
    assert sum("pages 2-3 were not read" in line for line in shown) == 20
    assert "5 more warnings" in shown[-1]
    assert "\x1b" not in written.getvalue()


def test_a_pipe_hears_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(ingest_display, "monotonic", lambda: now[0])
    written = io.StringIO()
    display = Display(Console(file=written, force_terminal=False), Tally(9, 9))

    for _ in range(25):
        now[0] += 1.0
        display.tick()

    assert lines(written.getvalue()) == ["0/9 files, 0 passages"] * 2


@pytest.mark.parametrize(
    "code",
    [
        "unsupported-media", "document-too-large", "unreadable-document", "empty-document", "overloaded",
        "unavailable", "timed-out", "out-of-memory", "unread", "same-id", "something-new",
    ],
)  # fmt: skip
def test_each_sort_of_failure_has_advice(code: str) -> None:
    words = explain(code)

    assert words.title
    assert words.advice


def test_what_ends_everything_says_what_to_do_in_one_line() -> None:
    full = explain_error(Overloaded("The queue is full", retry_after=3.0))
    away = explain_error(Unavailable("the broker is away", retry_after=3.0))
    nobody = explain_error(
        Unavailable("the API at http://x (is the stack up? `aegis up` starts it): refused")
    )

    assert full == "The queue is full. Run the same command again later: it goes on where this one ended"
    assert "aegis doctor" in away
    assert "doctor" not in nobody


def test_a_collection_that_is_no_utf_8_is_a_failure_of_each_document(aegis: Aegis, folder: Path) -> None:
    failed = aegis(Api(), str(folder), "--collection", "caf\udce9")

    assert failed.exit_code == 6
    assert "no UTF-8" in failed.output
