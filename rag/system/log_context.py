"""What log lines are about: fields that every line of a block gets, in whatever module it is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

Fields = Mapping[str, str]

_NONE: Fields = MappingProxyType({})
_FIELDS: ContextVar[Fields] = ContextVar("aegis-log-fields", default=_NONE)


@contextmanager
def add_log_fields(**fields: str | None) -> Iterator[None]:
    """Give each log line of the block these fields besides those of the blocks around it; None: no field.

    The names are those of ``docs/reference/logs.md``. Threads that anyio starts and the steps of a job have
    the fields of where they were started.
    """
    token = _FIELDS.set({**_FIELDS.get(), **{name: value for name, value in fields.items() if value}})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def log_fields() -> Fields:
    """The fields of a line that is written here."""
    return _FIELDS.get()
