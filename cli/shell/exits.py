"""Exit statuses of ``aegis``. Scripts rely on them."""

from collections.abc import Collection

from rag.errors import (
    AegisError,
    ConfigurationError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Transient,
    Unauthenticated,
    UnknownCollection,
)

INTERRUPTED = 130
BROKEN_PIPE = 141

EXITS = {
    0: "done",
    1: "failed, or something of it did: a job, a file, a part, a check",
    2: "the command or a setting is wrong; nothing was done",
    3: "nobody answers, or puts it off: the same may succeed later",
    4: "the key is missing, wrong, or does not reach so far",
    5: "what was named is not there",
    6: "not one of the documents is in",
    INTERRUPTED: "Ctrl-C; what was handed in goes on",
    BROKEN_PIPE: "whoever read the output has gone",
}

_BY_ERROR: tuple[tuple[type[AegisError], int], ...] = (
    (ConfigurationError, 2),
    (Transient, 3),
    (Unauthenticated, 4),
    (Forbidden, 4),
    (NotFound, 5),
    (UnknownCollection, 5),
    (InvalidRequest, 2),
)


def status_of(error: AegisError) -> int:
    """The exit status of a command that raised ``error``."""
    return next((status for kind, status in _BY_ERROR if isinstance(error, kind)), 1)


def status_of_all(errors: Collection[AegisError], *, done: bool) -> int:
    """The exit status of a command with several errors; ``done``: it did part of its work all the same."""
    statuses = set(map(status_of, errors))
    if len(statuses) == 1 and not done:
        return statuses.pop()
    return 1 if statuses else 0


def epilogue() -> str:
    """The end of the help text. ``\\b`` keeps its lines as they are."""
    lines = "\n".join(f"  {status:>3}  {meaning}" for status, meaning in EXITS.items())
    return f"\b\nExit statuses:\n{lines}"
