"""Log records whose lines are printable and hold no text of a document or of a question."""

import logging
from typing import Any

from rag.errors import AegisError
from rag.system.printable import one_line, write_plainly
from rag.system.tracebacks import traceback_text


class PrintableRecord(logging.LogRecord):
    """A log record of one line; a traceback behind it has one line for the text of each exception.

    Of our own errors it shows what is for logs. It works with every formatter, since each asks the record for
    its message.
    """

    def getMessage(self) -> str:  # noqa: N802 - its name in logging
        if self.exc_info and self.exc_info[1] is not None and not self.exc_text:
            self.exc_text = traceback_text(self.exc_info[1])
        if isinstance(self.args, tuple):
            self.args = tuple(map(_for_logs, self.args))
        self.msg = _for_logs(self.msg)
        return one_line(super().getMessage())


def _for_logs(value: Any) -> Any:
    return value.for_logs if isinstance(value, AegisError) else value


def log_printable_lines() -> None:
    """Have this process log printable lines only, on a terminal of any encoding."""
    write_plainly()
    logging.setLogRecordFactory(PrintableRecord)
