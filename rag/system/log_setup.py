"""Sets up a process' log: its lines on stderr, as JSON or text, and what ends threads and the process."""

import logging
import sys
import threading
from types import TracebackType

from rag.system.log_lines import LogOptions, TextLines
from rag.system.log_records import log_printable_lines

log = logging.getLogger(__name__)


def log_to_stderr(options: LogOptions, level: int | str) -> None:
    """Have this process log to stderr.

    Python's warnings and what ends a thread are logged too, and what a library had set up is replaced.
    """
    log_printable_lines()
    handler = logging.StreamHandler(sys.stderr)
    if options.form == "text":
        handler.setFormatter(TextLines(options))
    else:
        from rag.system.log_json import JsonLines  # noqa: PLC0415 - 1 MB that text does not need

        handler.setFormatter(JsonLines(options))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread


def _log_end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        log.critical("this process ends by an unexpected error", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "unknown"
        log.error("thread %s ends by an unexpected error", name, exc_info=ended.exc_value)
