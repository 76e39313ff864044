"""Prepares a process: its log, its files and its memory, and the message when it cannot start.

Refuses a start that would open a server to everybody who reaches this machine, unless that is meant.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rag import isolation
from rag.errors import AegisError, ConfigurationError, Refused
from rag.settings import Settings, early_log_format
from rag.system.folders import keep_private
from rag.system.log_lines import LogOptions, TraceId, json_line
from rag.system.log_setup import log_to_stderr
from rag.system.printable import printable, write_plainly
from rag.web.addresses import is_loopback


@contextmanager
def starting(process: str, *, status: int = os.EX_UNAVAILABLE) -> Iterator[None]:
    """Run the block as the start of ``process``, and let only its owner read what it writes from then on.

    An AegisError ends it with ``status``; each line of its message goes to stderr, without a traceback.
    """
    keep_private()
    write_plainly()
    try:
        yield
    except AegisError as error:
        write_refusal(f"{process} cannot start", str(error) or error.title)
        raise SystemExit(status) from error


def write_refusal(subject: str, reason: str) -> None:
    """Write ``subject: reason`` to stderr, a line for each line of the reason.

    The settings may be unknown yet, so this follows LOG_FORMAT as the environment has it.
    """
    for line in printable(reason).splitlines():
        written = f"{subject}: {line}"
        if early_log_format() == "json":
            written = json_line("CRITICAL", "aegis", written)
        sys.stderr.write(f"{written}\n")


def shield(settings: Settings) -> None:
    """Refuse other processes of the same user this one's memory and environment, which hold secrets.

    PROCESS_INSPECTION=true allows them. Only Linux can refuse.
    """
    if settings.process_inspection:
        isolation.allow_inspection()
    else:
        isolation.forbid_inspection()


@contextmanager
def first_call() -> Iterator[None]:
    """Run the first call to a server: that it refuses us at the start is a ConfigurationError."""
    try:
        yield
    except Refused as error:
        raise ConfigurationError(str(error)) from error


def log_as(
    part: str,
    settings: Settings,
    level: int | str | None = None,
    *,
    lane: str | None = None,
    trace_id: TraceId = lambda: None,
) -> None:
    """Have this process log as the settings say: see :func:`rag.system.log_setup.log_to_stderr`.

    ``level`` None: LOG_LEVEL.
    """
    options = LogOptions(part, settings.log_format, lane, settings.debug, trace_id)
    log_to_stderr(options, level or settings.log_level)


def require_closed_api(settings: Settings) -> None:
    """ConfigurationError for an API that other machines reach and that asks for no key."""
    if settings.anonymous:
        lacks = "no key, so whoever reaches it may do everything"
        _require_closed(settings, "the API", lacks, "set API_KEYS or KEYS_REQUIRED=true")


def require_closed_broker(settings: Settings) -> None:
    """ConfigurationError for an embedded broker that other machines reach and that asks for no password."""
    host = settings.broker_host
    if host is None or settings.broker_password or is_loopback(host) or settings.allow_anonymous:
        return
    raise ConfigurationError(
        f"BROKER_HOST: the broker would listen on {host} and ask for no password, so whoever reaches it may "
        "read and change everything: set BROKER_PASSWORD, or BROKER_HOST=127.0.0.1, "
        "or ALLOW_ANONYMOUS=true if that is meant"
    )


def require_closed_flower(settings: Settings) -> None:
    """ConfigurationError for a Flower that other machines reach and that does not ask who comes."""
    if not settings.flower_closed:
        lacks = "no password, so whoever reaches it sees all jobs"
        _require_closed(settings, "Flower", lacks, "set FLOWER_BASIC_AUTH=user:password, or FLOWER_AUTH")


def _require_closed(settings: Settings, part: str, lacks: str, remedy: str) -> None:
    if is_loopback(settings.listen_host) or settings.allow_anonymous:
        return
    why = "" if settings.api_host else ", as REDIS_URL has it"
    raise ConfigurationError(
        f"API_HOST: {part} would listen on {settings.listen_host}{why} and ask for {lacks}: {remedy}, "
        "or API_HOST=127.0.0.1, or ALLOW_ANONYMOUS=true if that is meant"
    )
