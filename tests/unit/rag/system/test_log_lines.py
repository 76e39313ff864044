"""Log lines in both forms: what each names, and what none may hold."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest

from rag.errors import AegisError, ModelError, Unavailable, UnreadableDocument, translated
from rag.system.log_context import add_log_fields, log_fields
from rag.system.log_lines import EXTRA, LogOptions, json_line
from rag.system.log_setup import log_to_stderr
from rag.system.tracebacks import traceback_text

SECRET = "the patient is Erika Mustermann"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


StartLog = Callable[..., StringIO]


@pytest.fixture
def start_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartLog]:
    """Sets up the log of this process, and returns what it writes. It is as before at the end."""
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook

    def start(options: LogOptions, level: str = "INFO") -> StringIO:
        stream = StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        log_to_stderr(options, level)
        return stream

    yield start
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_says_when_where_and_about_what(start_log: StartLog) -> None:
    written = start_log(LogOptions("worker-embed", "json", lane="embed", trace_id=lambda: "ab" * 16))

    with add_log_fields(job="j1", document="d1"):
        logging.getLogger("tasks.x").info("%d passages embedded", 7, extra={EXTRA: {"ms": 3.5}})

    (line,) = lines(written)
    assert TIME.fullmatch(line.pop("time"))
    assert line == {
        "level": "INFO", "part": "worker-embed", "lane": "embed", "logger": "tasks.x",
        "event": "7 passages embedded", "job": "j1", "document": "d1", "trace_id": "ab" * 16, "ms": 3.5,
    }  # fmt: skip


def test_a_text_line_names_request_and_trace_behind_its_message(start_log: StartLog) -> None:
    written = start_log(LogOptions("api", "text", trace_id=lambda: "ab" * 16))

    with add_log_fields(request="r1", job="j1"):
        logging.getLogger("api").info("accepted")

    assert written.getvalue().endswith(f" INFO api api accepted request=r1 trace_id={'ab' * 16}\n")


def test_fields_end_with_their_block_and_inner_ones_win() -> None:
    with add_log_fields(request="r1", job=None):
        with add_log_fields(request="r2", document="d1"):
            assert dict(log_fields()) == {"request": "r2", "document": "d1"}
        assert dict(log_fields()) == {"request": "r1"}
    assert dict(log_fields()) == {}


def test_arguments_that_libraries_add_to_records_are_left_out(start_log: StartLog) -> None:
    written = start_log(LogOptions("worker-parse", "json"))

    logging.getLogger("celery.app.trace").info(
        "done", extra={"data": {"args": SECRET}, "color_message": SECRET}
    )

    assert SECRET not in written.getvalue()
    assert lines(written)[0]["event"] == "done"


def test_hostile_text_stays_within_its_line_and_steers_no_terminal(start_log: StartLog) -> None:
    written = start_log(LogOptions("api", "json"))

    with add_log_fields(document='a\u202eb\n{"level": "INFO"}'):
        logging.getLogger("api").warning("cannot read %s", '\x1b[2J\n{"forged": true}\ud800')

    assert len(written.getvalue().splitlines()) == 1
    assert {"\x1b", "\u202e"}.isdisjoint(written.getvalue())
    assert lines(written)[0]["document"] == 'a\u202eb\n{"level": "INFO"}'


def test_a_traceback_is_a_field_and_long_ones_are_cut(start_log: StartLog) -> None:
    written = start_log(LogOptions("api", "json"))
    logging.getLogger("api").error("y" * 40_000, exc_info=RuntimeError("x" * 40_000))

    (line,) = lines(written)
    assert len(line["error"]) <= 16_384
    assert len(line["event"]) <= 16_384


def test_with_debug_a_line_names_process_thread_and_place(start_log: StartLog) -> None:
    written = start_log(LogOptions("api", "json", debug=True))

    logging.getLogger("api").info("here")

    assert {"pid", "thread", "line"} <= lines(written)[0].keys()


def test_no_word_that_an_error_quotes_reaches_a_log(start_log: StartLog) -> None:
    written = start_log(LogOptions("worker-embed", "json"), "DEBUG")
    log = logging.getLogger("tasks")
    quoting: list[AegisError] = [
        ModelError("http://jina: 400, the call does not suit the model", quote=SECRET),
        Unavailable("http://ollama: the server failed", quote=SECRET, retry_after=1.0),
        UnreadableDocument(f"The table cannot be read: {SECRET}."),
    ]

    for error in quoting:
        assert SECRET in str(error)
        log.warning("again: %s", error)
        log.error(error)
        log.error("unexpected", exc_info=error)

    assert SECRET not in written.getvalue()
    assert "the server failed" in written.getvalue()


def test_a_drivers_value_error_is_quoted_not_repeated() -> None:
    with pytest.raises(ModelError) as caught, translated({ValueError: ModelError}, "http://ollama"):
        float(SECRET)

    assert SECRET in str(caught.value)
    assert caught.value.for_logs == "http://ollama: ValueError"


def failed() -> ValueError:
    """An error whose cause and whose own text quote a document."""
    try:
        try:
            {}[SECRET]
        except KeyError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        return error


def test_in_a_job_a_traceback_withholds_what_may_be_its_text() -> None:
    with add_log_fields(job="j1"):
        text = traceback_text(failed())
        tells = traceback_text(TypeError("an int is not a str"))

    assert SECRET not in text
    assert "KeyError: (its message is withheld" in text
    assert "ValueError: (its message is withheld" in text
    assert 'File "' in text
    assert "TypeError: an int is not a str" in tells


def test_outside_of_jobs_and_requests_a_traceback_tells_all() -> None:
    assert f"ValueError: {SECRET}" in traceback_text(failed())


def test_a_group_of_errors_shows_each_of_them() -> None:
    text = traceback_text(ExceptionGroup("two", [TypeError("one"), OSError("other")]))

    assert "TypeError: one" in text
    assert "OSError: other" in text


def test_a_line_that_is_written_without_logging_has_the_same_form() -> None:
    line = json.loads(json_line("INFO", "supervisor", "two\nlines", service="api"))

    assert TIME.fullmatch(line.pop("time"))
    assert line == {"level": "INFO", "part": "supervisor", "event": r"two\nlines", "service": "api"}
