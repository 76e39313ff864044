"""The settings of this process: read once a call, told of once a process."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Set
from functools import cache

from pydantic import ValidationError

from rag.errors import ConfigurationError
from rag.printable import one_line
from rag.settings.refusals import field_lines, misfit_lines, wrong_fields
from rag.settings.sources import ENVIRONMENT, Reading, read
from rag.settings.whole import Settings

_NAME = re.compile(r"[A-Z][A-Z0-9_]+")


def load() -> Settings:
    """The settings from the environment and the files. ConfigurationError with a line for each wrong value.

    Without its cause: what a traceback shows of that has the value in it, which may be a key. What may not
    be meant is told on stderr, once a process. The clouds' own variables of ``.env`` become this process's.
    """
    reading = read(Settings)
    for line in notices(reading):
        _tell(line)
    os.environ.update(reading.lent)
    settings, lines = examined(reading)
    if settings is None or lines:
        raise ConfigurationError("\n".join(lines))
    return settings


def examined(reading: Reading) -> tuple[Settings | None, list[str]]:
    """The settings, and a line for everything that is wrong; None where they cannot be made."""
    lines = [*reading.faults, *reading.wrong.values()]
    try:
        return Settings.of(reading), lines
    except ValidationError as error:
        wrong = wrong_fields(error)
        sources = {name: given.source for name, given in reading.given.items() if given.source != ENVIRONMENT}
        lines += field_lines(Settings, error, sources)
        misfits = misfit_lines(error) if not wrong else _other_misfits(reading, wrong)
    untold = {name.upper() for name in {*wrong, *reading.wrong}}
    return None, [*lines, *(line for line in misfits if not untold.intersection(_NAME.findall(line)))]


def notices(reading: Reading) -> Iterator[str]:
    """What is worth a line at the start of a process."""
    if reading.files:
        yield f"settings from {' and '.join(reading.files)}"
    yield from reading.warnings


def _other_misfits(reading: Reading, wrong: Set[str]) -> Iterable[str]:
    """What else does not fit, once ``wrong`` have their defaults."""
    try:
        Settings.of(reading, without=wrong)
    except ValidationError as error:
        return misfit_lines(error)
    return ()


@cache
def _tell(line: str) -> None:
    sys.stderr.write(f"aegis: {one_line(line)}\n")
