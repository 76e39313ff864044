"""Text from outside steers no terminal and forges no line, neither on the command line nor in logs."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cli.client.client import Client
from cli.client.problems import error_of
from cli.commands import answers, reindex
from cli.commands.audit import ENTRIES
from cli.commands.collections import COLLECTIONS, collection_page
from cli.commands.dead_letters import DEAD_LETTERS, dead_letter_page
from cli.commands.doctor import FINDINGS
from cli.commands.documents import DOCUMENTS, document_page
from cli.commands.keys import KEYS
from cli.commands.search import HITS
from cli.commands.status import PARTS
from cli.main import run
from cli.tables import backups
from cli.tables.jobs import JOBS, job_page
from cli.tables.printing import paragraphs, print_json, shown
from cli.tables.tables import print_page, show_rows, table_of
from cli.tables.views import Format, View
from rag.errors import Unavailable
from rag.system.log_records import PrintableRecord, log_printable_lines
from rag.system.printable import one_line, printable, write_plainly
from rag.web.jsontypes import Json

HOSTILE = "a\x1b]0;owned\x07\x9b31m\r\nINFO forged\u202etxt\u2028[red]b[/][link=http://evil]c\udcff\x7f"
STEERING = {*"\x1b\x07\x9b\r\u202e\u2028\udcff\x7f\x00"}
MOMENT = "2026-11-23T20:07:00+00:00"
CITATION = {
    "n": 1,
    "title": HOSTILE,
    "headings": [HOSTILE],
    "document_id": HOSTILE,
    "text": HOSTILE,
    "page": 1,
}
JOB = {
    "id": HOSTILE, "kind": HOSTILE, "state": HOSTILE, "stage": HOSTILE, "progress": {"done": 0, "total": 0},
    "created_at": MOMENT, "started_at": None, "finished_at": None, "error": {"detail": HOSTILE},
    "subject": {"name": HOSTILE}, "attempts": 1, "queue_position": None, "result": {HOSTILE: HOSTILE},
}  # fmt: skip
LETTER = {
    **JOB, "died_at": MOMENT, "reason": HOSTILE, "collection": HOSTILE, "document_id": HOSTILE, "attempts": 1,
    "retries": 1, "inputs": {"title": HOSTILE, HOSTILE: HOSTILE},
}  # fmt: skip
DOCUMENT = {
    "document_id": HOSTILE, "title": HOSTILE, "media_type": HOSTILE, "version": 1, "chunks": 1, "tokens": 1,
    "collection": HOSTILE, "metadata": {HOSTILE: HOSTILE}, "created_at": MOMENT, "updated_at": MOMENT,
    "parent": HOSTILE, "attachments": [HOSTILE],
}  # fmt: skip
COLLECTION = {
    "name": HOSTILE, "documents": 1, "chunks": 1, "embedding_model": HOSTILE, "dimension": 8,
    "created_at": MOMENT, "layouts": [{"state": HOSTILE, "embedding_model": HOSTILE, "dimension": 8}],
}  # fmt: skip
ENTRY = {
    "at": MOMENT, "key": HOSTILE, "key_id": None, "method": HOSTILE, "path": HOSTILE, "status": None,
    "address": HOSTILE, "request_id": HOSTILE,
}  # fmt: skip
KEY = {
    "id": HOSTILE, "name": HOSTILE, "role": HOSTILE, "collections": [HOSTILE], "state": HOSTILE,
    "expires_at": None, "last_used_at": None, "grace_until": None,
}  # fmt: skip
BACKUP = {"id": HOSTILE, "began_at": MOMENT, "documents": 1, "points": 1, "bytes": 1}
HIT = {**CITATION, "chunk_id": HOSTILE, "score": 1.0, "start": 0, "end": 1}
PART = {"part": HOSTILE, "ready": False, "essential": True, "detail": {HOSTILE: HOSTILE}}
FINDING = {"part": HOSTILE, "state": "bad", "text": HOSTILE, "ms": None, "remedy": HOSTILE}
VIEWED = [
    (JOB, JOBS), (LETTER, DEAD_LETTERS), (DOCUMENT, DOCUMENTS), (COLLECTION, COLLECTIONS), (ENTRY, ENTRIES),
    (KEY, KEYS), (BACKUP, backups.BACKUPS), (HIT, HITS), (PART, PARTS), (FINDING, FINDINGS),
]  # fmt: skip
ANSWER = {"answer": HOSTILE, "citations": [CITATION], "generator": HOSTILE, "timings_ms": {"total": 1.0}}
REINDEXED = {
    "collection": HOSTILE, "embedding_model": HOSTILE, "dimension": 8, "documents": 1, "chunks": 1,
}  # fmt: skip
FAULTY = {"id": HOSTILE, "error": {"detail": HOSTILE}}


def console() -> Console:
    return Console(file=io.StringIO(), width=10_000, highlight=False)


def in_form(to: Console, row: Json, view: View, form: str) -> None:
    """A view's row, as a terminal that is wide or narrow gets it, or a program."""
    widths = {"full": 10_000, "brief": 500, "pages": 40}
    if form in widths and view.columns:
        to.width = 10_000
        table = table_of([row], view, widths[form])
        to.print(table, soft_wrap=True)
        return
    with redirect_stdout(to.file):
        show_rows([row], view, Format(form if form in set(Format) else "tsv"))


@pytest.mark.parametrize(
    "print_it",
    [
        *(
            lambda to, row=row, view=view, form=form: in_form(to, row, view, form)
            for row, view in VIEWED
            for form in ("full", "brief", "pages", "tsv", "jsonl", "json")
            if (row, form) != (BACKUP, "pages")  # of which nothing but the beginning of its id is foreign
        ),
        lambda to: print_page(dead_letter_page(LETTER), to.file),
        lambda to: print_page(job_page(JOB), to.file),
        lambda to: print_page(document_page(DOCUMENT), to.file),
        lambda to: print_page(collection_page(COLLECTION), to.file),
        lambda to: to.print(*backups.faults([FAULTY, {"id": HOSTILE, "missing": [HOSTILE]}])),
        lambda to: to.print(reindex.summary(REINDEXED)),
        lambda to: answers.show_source(to, CITATION),
        lambda to: answers._show_rest(to, ANSWER, ""),
    ],
)
def test_nothing_that_is_shown_steers_the_terminal(print_it: Callable[[Console], None]) -> None:
    to = console()

    print_it(to)

    written = to.file.getvalue()  # type: ignore[attr-defined]
    assert STEERING.isdisjoint(written)
    assert any(each in written for each in (r"\x1b]0;owned\x07\x9b31m", r"\u001b]0;owned\u0007\u009b31m"))
    assert "[red]b[/]" in written


def test_an_answers_pieces_steer_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    to = Console(file=io.StringIO(), force_terminal=True, width=10_000)
    monkeypatch.setattr(answers, "follow_answer", lambda _client, _job, piece: (piece(HOSTILE), ANSWER)[1])
    answers.show_as_it_comes(to, Client("http://api.test"), "job")

    written = re.sub(r"\x1b\[[0-9;]*m", "", to.file.getvalue())  # type: ignore[attr-defined]
    assert STEERING.isdisjoint(written)
    assert r"a\x1b]0;owned\x07\x9b31m" in written


def test_an_error_steers_nothing_and_what_a_server_says_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = json.dumps({"type": "urn:aegis:problem:unavailable", "detail": HOSTILE})
    said = error_of(httpx.Response(503, text=problem))

    def fail(**_: Any) -> None:
        raise said

    monkeypatch.setattr("cli.main.app", fail)
    with pytest.raises(SystemExit):
        run()

    (line,) = capsys.readouterr().err.splitlines()
    assert isinstance(said, Unavailable)
    assert STEERING.isdisjoint(line)


def test_json_says_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": HOSTILE, "ü": "\U000e0041"})

    written = capsys.readouterr().out
    assert STEERING.isdisjoint(written)
    assert json.loads(written) == {"title": HOSTILE, "ü": "\U000e0041"}


@settings(deadline=None)
@given(st.text())
def test_no_text_steers_and_no_markup_is_left(text: str) -> None:
    assert "\n" not in one_line(text)
    for made in (printable(text), one_line(text)):
        assert STEERING.isdisjoint(made)
    to = console()
    to.print(f"[bold]{shown(text)}[/]", end="", soft_wrap=True, emoji=False)
    assert to.file.getvalue().rstrip() == one_line(text).rstrip()  # type: ignore[attr-defined]


def test_readable_text_stays_as_it_is() -> None:
    for text in ("Größe: 5 µm", "नमस्ते\u200d", "👩\u200d👧", "a\tb\nc", "日本語 – “quoted”"):
        assert printable(text) == text
        assert paragraphs(text) == text


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a logger writes once :func:`log_printable_lines` was called."""
    before, written = logging.getLogRecordFactory(), io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("tests.printable")
    logger.addHandler(handler)
    log_printable_lines()
    try:
        yield written
    finally:
        logging.setLogRecordFactory(before)
        logger.removeHandler(handler)


def test_a_path_forges_no_log_line(logged: io.StringIO) -> None:
    logging.getLogger("tests.printable").warning("cannot read %s", HOSTILE)

    (line,) = logged.getvalue().splitlines()
    assert line.startswith("WARNING tests.printable cannot read a")
    assert STEERING.isdisjoint(line)


def test_an_exceptions_text_forges_no_log_line(logged: io.StringIO) -> None:
    try:
        int(HOSTILE)
    except ValueError as cause:
        error = RuntimeError(f"\n\nINFO forged {HOSTILE}")
        error.__cause__ = cause
        logging.getLogger("tests.printable").exception("failed", exc_info=error)

    lines = logged.getvalue().splitlines()
    assert not [line for line in lines if line.startswith("INFO")]
    assert "ERROR tests.printable failed" in lines
    assert [line for line in lines if line.startswith("RuntimeError: ")]
    assert any(line.startswith("Traceback") for line in lines)
    assert STEERING.isdisjoint(logged.getvalue())


def test_a_record_without_an_exception_has_no_traceback() -> None:
    record = PrintableRecord("n", logging.INFO, "", 1, "plain", (), (None, None, None))

    assert record.getMessage() == "plain"
    assert record.exc_text is None


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"ok caf\\xe9 > x - ... * \\u4e2d \\ud800\n"),
        ("latin-1", b"ok caf\xe9 > x - ... * \\u4e2d \\ud800\n"),
        ("utf-8", "✓ café › ✗ – … ⠋ 中 \\ud800\n".encode()),
    ],
)
def test_what_a_terminal_cannot_show_is_written_plainly(
    encoding: str, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(terminal, encoding=encoding, newline="\n"))

    write_plainly()
    sys.stdout.write("✓ café › ✗ – … ⠋ 中 \ud800\n")
    sys.stdout.flush()

    assert terminal.getvalue() == written
