"""Log lines as JSON objects, by python-json-logger (``docs/decisions/0048-logs.md``)."""

import logging
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from rag.system.log_lines import EXTRA, LogOptions, context_of, utc_time
from rag.system.printable import steering_to_json

_LONGEST = 16_384
"""Characters of an event, and the last ones of a traceback: collectors cut longer lines into pieces."""


class JsonLines(JsonFormatter):
    """One object a line. ``time``, ``level``, ``part``, ``lane`` and ``logger`` come first, in this order.

    Attributes that libraries add to their records are left out: Celery's hold arguments of tasks.
    """

    def __init__(self, options: LogOptions) -> None:
        super().__init__(json_ensure_ascii=False)
        self._options = options
        self._process = {"part": options.part, **({"lane": options.lane} if options.lane else {})}

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data |= {"time": utc_time(record.created), "level": record.levelname, **self._process}
        log_data["logger"] = record.name
        log_data["event"] = record.message[:_LONGEST]
        log_data |= context_of(self._options) | record.__dict__.get(EXTRA, {})
        if self._options.debug:
            log_data |= {"pid": record.process, "thread": record.threadName, "line": record.lineno}
        if record.exc_text:
            log_data["error"] = record.exc_text[-_LONGEST:]
        if stack := message_dict.get("stack_info"):
            log_data["stack"] = stack

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return steering_to_json(super().jsonify_log_record(log_data))
