"""Checks at the start of a process that the stores of blobs and backups can be used."""

import logging
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

from rag.errors import BackupError, ConfigurationError, Refused, Unavailable, WrongKey
from rag.settings import Settings

_PATIENCE_SECONDS = 20.0
_HERE = ("file:", "memory:")
_REFUSED, _NOT_READY, _READY = "refused", "not ready", "ready"

log = logging.getLogger(__name__)


def check_blobs(settings: Settings) -> None:
    """ConfigurationError when the bucket of BLOB_URL refuses access. Warns when it is away."""

    def ask() -> None:
        from rag.blobs.store import ObstoreBlobs  # noqa: PLC0415 - only the child may load obstore

        ObstoreBlobs.of(settings).ping()

    if not settings.blob_address.startswith(_HERE):
        _check("the blob store", ask)


def check_backups(settings: Settings) -> None:
    """ConfigurationError when the store of BACKUP_URL refuses access, or another BACKUP_KEY wrote to it.

    Warns when it is away or damaged.
    """

    def ask() -> None:
        from rag.backups.vault import Vault  # noqa: PLC0415 - only the child may load obstore

        Vault.of(settings).probe()

    _check("the backup store", ask)


def _check(store: str, ask: Callable[[], None]) -> None:
    # A child process asks, since obstore must not be used in a process that forks later.
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(ask, theirs), daemon=True)
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


def _answer(ask: Callable[[], None], answer: "Connection[tuple[str, str], None]") -> None:
    try:
        ask()
    except (Refused, ConfigurationError, WrongKey) as error:
        answer.send((_REFUSED, str(error)))
    except (Unavailable, BackupError) as error:
        answer.send((_NOT_READY, str(error)))
    else:
        answer.send((_READY, ""))
