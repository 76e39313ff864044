"""Formats tracebacks for logs: in printable lines, and without text that belongs to somebody.

Where a request or a job is worked, the message of an exception may hold what was being worked: pydantic
quotes the value, ``float("…")`` the text. So there only messages of classes that quote no data are shown.
"""

from collections.abc import Iterator
from traceback import format_tb

from rag.errors import AegisError
from rag.system.log_context import log_fields
from rag.system.printable import one_line, printable

_CAUSED = "The above exception was the direct cause of the following exception:"
_MEANWHILE = "During handling of the above exception, another exception occurred:"
_WITHHELD = "(its message is withheld: it may hold text of a document or a question)"
_DEEPEST = 16
_DATALESS = (OSError, MemoryError, TypeError, AttributeError, NameError, ImportError, AssertionError)
_DATALESS_PACKAGES = frozenset({"amqp", "celery", "h11", "httpcore", "httpx", "kombu", "redis", "stamina"})


def traceback_text(error: BaseException) -> str:
    """The traceback of ``error`` and of what caused it, the first cause first."""
    return "\n".join(_lines(error, _DEEPEST))


def _lines(error: BaseException, depth: int) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth:
        yield from _lines(cause, depth - 1)
        yield from ("", _CAUSED if error.__cause__ else _MEANWHILE, "")
    yield "Traceback (most recent call last):"
    yield from (printable(frame.rstrip("\n")) for frame in format_tb(error.__traceback__))
    yield _last_line(error)
    if isinstance(error, BaseExceptionGroup) and depth:
        for member in error.exceptions:
            yield from ("", "One of the group:", "")
            yield from _lines(member, depth - 1)


def _last_line(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message = error.for_logs if isinstance(error, AegisError) else _message(error)
    return one_line(f"{name}: {message}" if message else name)


def _message(error: BaseException) -> str:
    package = type(error).__module__.partition(".")[0]
    if not log_fields() or isinstance(error, _DATALESS) or package in _DATALESS_PACKAGES:
        return str(error)
    return _WITHHELD if str(error) else ""
