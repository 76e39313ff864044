"""How the command line shows data: tables that fit, whole in a pipe, and forms for programs."""

import json
from collections.abc import Callable
from io import StringIO

import pytest

from cli.commands.documents import document_page
from cli.commands.jobs import app
from cli.commands.keys import KEYS
from cli.tables.jobs import IN_BYTES, JOBS, job_page
from cli.tables.tables import print_page, print_table, show_one, show_rows
from cli.tables.views import Format, Row, View
from rag.model import ABOUT_BACKUPS

CREATED = "2026-11-23T10:00:00Z"
REASON = "The document cannot be read: it is broken, encrypted, or no PDF although its name says so"


def job(number: int = 0, **fields: object) -> Row:
    return {
        "id": f"01990a6f-3c1{number}-7b1e-9a44-1d2f5a0c7e11",
        "kind": "ingest",
        "state": "failed",
        "stage": "embed_query",
        "progress": {"done": 3, "total": 12},
        "queue_position": None,
        "created_at": CREATED,
        "started_at": None,
        "finished_at": None,
        "attempts": 1,
        "result": None,
        "error": {"detail": REASON},
        "subject": {
            "name": "guides/vpn.md",
            "collection": "handbook",
            "title": None,
            "document_id": "guides/vpn.md",
        },
        **fields,
    }


def printed(rows: list[Row], view: View = JOBS) -> str:
    out = StringIO()
    print_table(rows, view, out)
    return out.getvalue()


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda width: monkeypatch.setenv("COLUMNS", str(width))


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_a_pipe_gets_a_line_a_row_with_everything_in_it() -> None:
    head, first, second = printed([job(), job(1, kind="rehearse", state="cancelled")]).splitlines()

    assert head.split() == ["id", "kind", "state", "stage", "progress", "created", "about"]
    assert first.startswith("01990a6f-3c10-7b1e-9a44-1d2f5a0c7e11  ingest ")
    assert first.endswith(f"guides/vpn.md: {REASON}")
    assert "rehearse" in second
    assert "cancelled" in second


def test_eighty_columns_have_every_word_and_no_line_is_longer(columns: Callable[[int], None]) -> None:
    columns(80)

    lines = printed([job(), job(1, kind="rehearse", state="cancelled", subject=None)]).splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("01990a6f-3c10  ingest    failed     embed_query")
    about = lines[0].index("about")
    assert " ".join(line[about:] for line in lines[1:-4] if line).startswith("guides/vpn.md: The document")
    words = " ".join(line[about:].strip() for line in lines[1:])
    assert f"guides/vpn.md: {REASON}" in " ".join(words.split())


def test_what_is_narrower_still_gets_a_page_a_row(columns: Callable[[int], None]) -> None:
    columns(40)

    lines = printed([job(), job(1)]).splitlines()

    assert max(map(len, lines)) <= 40
    assert lines[:3] == ["id     01990a6f-3c10", "kind   ingest", "state  failed"]
    assert "" in lines, "rows are told apart"


def test_ids_of_one_moment_are_long_enough_to_be_told_apart(columns: Callable[[int], None]) -> None:
    columns(80)
    twin = job(id="01990a6f-3c10-7c1e-9a44-1d2f5a0c7e11")

    lines = printed([job(), twin, job(1)]).splitlines()

    ids = [line.split()[0] for line in lines if line.startswith("0199")]
    assert ids == ["01990a6f-3c10-7b", "01990a6f-3c10-7c", "01990a6f-3c11-7b"]


def test_columns_without_anything_are_left_out() -> None:
    quiet = job(error=None, subject=None, progress={"done": 0, "total": 0})

    assert printed([quiet]).splitlines()[0].split() == ["id", "kind", "state", "stage", "created"]


def test_a_job_is_about_what_the_api_says_names_it() -> None:
    named = {"name": "Why?", "question": "Why?", "collection": "c"}
    assert printed([job(error=None, subject=named)]).splitlines()[1].endswith("  Why?")


def test_a_list_without_rows_says_so() -> None:
    assert printed([]) == "There are no such jobs.\n"
    assert printed([], KEYS) == "There are no keys: nobody needs one.\n"


def test_json_is_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([job(), job(1)], JOBS, Format.JSON)
    assert json.loads(capsys.readouterr().out) == [job(), job(1)]

    show_rows(iter([job(), job(1)]), JOBS, Format.JSONL)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [job(), job(1)]


def test_tsv_has_raw_values_under_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([job(error={"detail": "a\tb\nc\\d"}, queue_position=None)], JOBS, Format.TSV)

    names, values = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    row = dict(zip(names, values, strict=True))
    assert row["created_at"] == "2026-11-23T10:00:00Z"
    assert row["progress.total"] == "12"
    assert row["queue_position"] == ""
    assert row["error.detail"] == r"a\tb\nc\\d"
    assert json.loads(row["subject"])["document_id"] == "guides/vpn.md"


def test_one_thing_is_a_page_or_a_value_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    out = StringIO()
    warnings = [{"kind": "pages", "count": 1, "text": "page 2 was not read"}]
    result = {"chunks": 4, "citations": [1, 2], "warnings": warnings}
    print_page(job_page(job(result=result, state="succeeded", error=None)), out)
    page = dict(line.split(maxsplit=1) for line in out.getvalue().splitlines())
    assert page["id"] == "01990a6f-3c10-7b1e-9a44-1d2f5a0c7e11"
    assert (page["chunks"], page["citations"], page["about"]) == ("4", "2", "guides/vpn.md")
    assert page["warning"] == "page 2 was not read"

    show_one(job(), Format.TSV, job_page)
    values = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert values["progress.done"] == "3"
    show_one(job(), Format.JSONL, job_page)
    assert json.loads(capsys.readouterr().out) == job()


def test_progress_of_jobs_about_backups_is_in_bytes() -> None:
    assert IN_BYTES == ABOUT_BACKUPS
    done = {"done": 1_000_000, "total": 4_000_000}

    assert "1.0 MB of 4.0 MB" in printed([job(kind="backup", progress=done)])


def test_the_commands_are_those_that_the_reference_names() -> None:
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == {
        "list", "show", "stuck", "unstick", "cancel", "retry", "watch",
    }  # fmt: skip


def test_a_document_names_its_mail_and_a_mail_its_attachments() -> None:
    about = {"collection": "docs", "title": "Offer", "media_type": "message/rfc822", "version": 1}
    counts = {"chunks": 1, "tokens": 1, "created_at": CREATED, "updated_at": CREATED, "metadata": {}}
    mail = {"document_id": "a.eml", **about, **counts, "parent": None, "attachments": ["a.eml/b.csv"]}
    file = {"document_id": "a.eml/b.csv", **about, **counts, "parent": "a.eml", "attachments": []}

    assert ("attachment", "a.eml/b.csv") in list(document_page(mail))
    assert ("attached to", "a.eml") in list(document_page(file))
