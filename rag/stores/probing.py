"""The first question to the stores of blobs and backups, before a process does anything that hangs on it."""

import logging
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

from rag.errors import BackupError, ConfigurationError, Refused, Unavailable, WrongKey
from rag.settings import Settings

_PATIENCE_SECONDS = 20.0
_HERE = ("file:", "memory:")
_REFUSED, _NOT_READY, _WELL = "refused", "not ready", "well"

log = logging.getLogger(__name__)


def check_blobs(settings: Settings) -> None:
    """ConfigurationError when the bucket of BLOB_URL refuses us. One that is away may come: a log line."""
    if not settings.blob_address.startswith(_HERE):
        _check("the blob store", _ask_blobs, settings)


def check_backups(settings: Settings) -> None:
    """ConfigurationError when the store of BACKUP_URL refuses us, or has backups by another BACKUP_KEY.

    One that is away may come, and one that is damaged has backups yet: a log line.
    """
    _check("the backup store", _ask_backups, settings)


def _check(store: str, ask: Callable[[Settings], None], settings: Settings) -> None:
    """A child process asks, since obstore must not have been used in one that forks later."""
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(ask, settings, theirs), daemon=True)
    child.start()
    try:
        verdict, why = ours.recv() if ours.poll(_PATIENCE_SECONDS) else (_NOT_READY, "it does not answer")
    finally:
        child.kill()
        child.join()
    if verdict == _REFUSED:
        raise ConfigurationError(why)
    if verdict == _NOT_READY:
        log.warning("%s is not ready: %s", store, why)


def _answer(
    ask: Callable[[Settings], None], settings: Settings, answer: "Connection[tuple[str, str], None]"
) -> None:
    try:
        ask(settings)
    except (Refused, ConfigurationError, WrongKey) as error:
        answer.send((_REFUSED, str(error)))
    except (Unavailable, BackupError) as error:
        answer.send((_NOT_READY, str(error)))
    else:
        answer.send((_WELL, ""))


def _ask_blobs(settings: Settings) -> None:
    from rag.stores.blobs import ObstoreBlobs  # noqa: PLC0415 - only the child needs obstore

    ObstoreBlobs.of(settings).ping()


def _ask_backups(settings: Settings) -> None:
    from rag.stores.backups.vault import Vault  # noqa: PLC0415 - the same

    Vault.of(settings).probe()
