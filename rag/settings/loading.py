"""Loads this process' settings, and words every fault in them as one line."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rag.errors import ConfigurationError
from rag.settings.secret_files import secrets_of
from rag.settings.settings import Settings
from rag.settings.sources import ENVIRONMENT, Reading, read
from rag.settings.wording import is_short, shown, wanted
from rag.system.log_lines import LogFormat, json_line
from rag.system.printable import one_line

_NAME = re.compile(r"[A-Z][A-Z0-9_]+")
_LONGEST_SHORT = 20
_FOLLOWS = "default_factory_not_called"
"""A fault of this type: a default is unknown, since the setting that it depends on is wrong."""


def load() -> Settings:
    """The settings from the environment and the files. ConfigurationError with a line for each wrong value.

    The error has no cause: a traceback would show the value, which may be a key. Warnings go to
    stderr, once a process. Variables of cloud providers in ``.env`` become variables of this process.
    """
    reading = read(Settings)
    for line in notices(reading):
        _write_once(line, early_log_format())
    os.environ.update(reading.lent)
    settings, lines = examine(reading)
    if settings is None or lines:
        raise ConfigurationError("\n".join(lines))
    return settings


def notices(reading: Reading) -> Iterator[str]:
    """The files that gave settings, and warnings: a line each, for the start of a process."""
    if reading.files:
        yield f"settings from {' and '.join(reading.files)}"
    yield from reading.warnings


@cache
def _write_once(line: str, form: LogFormat) -> None:
    written = json_line("INFO", "aegis", line) if form == "json" else f"aegis: {one_line(line)}"
    sys.stderr.write(f"{written}\n")


def early_log_format() -> LogFormat:
    """LOG_FORMAT as the environment has it: for lines that are written before the settings are known."""
    return "json" if os.environ.get("LOG_FORMAT", "").strip() == "json" else "text"


def examine(reading: Reading) -> tuple[Settings | None, list[str]]:
    """The settings, None when they are invalid; and a line for everything that is wrong."""
    lines = [*reading.faults, *reading.wrong.values()]
    try:
        return Settings.of(reading), lines
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        sources = {name: given.source for name, given in reading.given.items() if given.source != ENVIRONMENT}
        lines += _field_lines(error, sources)
        misfits = _misfit_lines(error)
    if wrong:  # pydantic compares settings with each other only once each is valid by itself
        try:
            Settings.of(reading, without=wrong)
        except ValidationError as error:
            misfits = _misfit_lines(error)
    # a misfit with a setting that is wrong, and so has its default here, says nothing
    unknown = {name.upper() for name in {*wrong, *reading.wrong}}
    return None, [*lines, *(line for line in misfits if not unknown.intersection(_NAME.findall(line)))]


def _field_lines(error: ValidationError, sources: Mapping[str, str]) -> Iterator[str]:
    """A line for each invalid value: name, value and what would be right.

    ``sources``: the file that gives a field, by field.
    """
    faults = error.errors(include_url=False)
    with_entries = {fault["loc"][0] for fault in faults if len(fault["loc"]) > 1}
    for fault in faults:
        repeats = len(fault["loc"]) == 1 and fault["loc"][0] in with_entries
        if fault["loc"] and fault["type"] != _FOLLOWS and not repeats:
            yield _field_line(fault, sources)


def _field_line(fault: ErrorDetails, sources: Mapping[str, str]) -> str:
    name, *inner = fault["loc"]
    name, field = str(name), Settings.model_fields[str(name)]
    place = f"{name.upper()} in {sources[name]}" if name in sources else name.upper()
    is_secret, value = name in secrets_of(Settings), shown(fault["input"])
    length = len(str(fault["input"]))
    if is_secret:
        value = "its value"
    elif is_short(field) and length > _LONGEST_SHORT:
        # too long to be meant; it may be a secret that was put in the wrong place
        value = f"a value of {length} characters"
    if fault["type"] == "value_error":
        message = fault["msg"].removeprefix("Value error, ")
        return f"{place}: {message if is_secret or value in message else f'{value}: {message}'}"
    return f"{place}: {value} is not {wanted(field, tuple(inner))}"


def _misfit_lines(error: ValidationError) -> list[str]:
    """The lines about settings that do not fit together."""
    faults = [fault for fault in error.errors(include_url=False, include_input=False) if not fault["loc"]]
    return [line for fault in faults for line in fault["msg"].removeprefix("Value error, ").splitlines()]
