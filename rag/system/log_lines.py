"""The two forms of log lines: JSON objects for collectors of logs, text for people.

``docs/reference/logs.md`` says what each field is. Lines of both forms are printable: see
:mod:`rag.system.printable`.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from rag.system.log_context import log_fields
from rag.system.printable import one_line, steering_to_json

LogFormat = Literal["json", "text"]
TraceId = Callable[[], str | None]

EXTRA = "fields"
"""``log.info(…, extra={EXTRA: {…}})``: further fields of a JSON line."""

_SHOWN_AS_TEXT = ("request", "trace_id")  # the messages of lines about a job name it themselves


def utc_time(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, with milliseconds: ``2026-11-30T16:27:00.123Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class LogOptions:
    """``part``: the process that its lines name, with its ``lane`` if it has one.

    ``debug``: whether they also name the process id, the thread and the line of code. ``trace_id``: returns
    the id of the trace in which a line is written.
    """

    part: str
    form: LogFormat
    lane: str | None = None
    debug: bool = False
    trace_id: TraceId = lambda: None


def context_of(options: LogOptions) -> dict[str, Any]:
    """The fields of a line that is written here, with its trace."""
    trace = options.trace_id()
    return {**log_fields(), **({"trace_id": trace} if trace else {})}


class TextLines(logging.Formatter):
    """Local time, level, part, logger, message; then request and trace, where there are any."""

    def __init__(self, options: LogOptions) -> None:
        place = "%(process)d %(threadName)s %(name)s:%(lineno)d" if options.debug else "%(name)s"
        super().__init__(f"%(asctime)s %(levelname)s {options.part} {place} %(message)s")
        self._options = options

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        fields = context_of(self._options)
        named = [f" {name}={fields[name]}" for name in _SHOWN_AS_TEXT if name in fields]
        return "".join([super().formatMessage(record), *named])


def json_line(level: str, part: str, event: str, **fields: str | float) -> str:
    """A line of a process that writes it without :mod:`logging`, without its line break."""
    line = {"time": utc_time(time.time()), "level": level, "part": part, "event": one_line(event), **fields}
    return steering_to_json(json.dumps(line, ensure_ascii=False))
