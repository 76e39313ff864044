"""The first question to the blob store, before a process does anything that hangs on it."""

import logging
from multiprocessing import get_context
from multiprocessing.connection import Connection

from rag.errors import ConfigurationError, Refused, Unavailable
from rag.settings import Settings

_PATIENCE_SECONDS = 20.0
_REFUSED, _AWAY, _WELL = "refused", "away", "well"

log = logging.getLogger(__name__)


def check_blobs(settings: Settings) -> None:
    """ConfigurationError when the bucket of BLOB_URL refuses us. One that is away may come: a log line.

    A child process asks, since obstore must not have been used in one that forks later.
    """
    if settings.blob_address.startswith(("file:", "memory:")):
        return
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_ask, args=(settings, theirs), daemon=True)
    child.start()
    try:
        verdict, why = ours.recv() if ours.poll(_PATIENCE_SECONDS) else (_AWAY, "it does not answer")
    finally:
        child.kill()
        child.join()
    if verdict == _REFUSED:
        raise ConfigurationError(why)
    if verdict == _AWAY:
        log.warning("the blob store does not answer yet: %s", why)


def _ask(settings: Settings, answer: "Connection[tuple[str, str], None]") -> None:
    from rag.stores.blobs import ObstoreBlobs  # noqa: PLC0415 - only the child needs obstore

    try:
        ObstoreBlobs.of(settings).ping()
    except (Refused, ConfigurationError) as error:
        answer.send((_REFUSED, str(error)))
    except Unavailable as error:
        answer.send((_AWAY, str(error)))
    else:
        answer.send((_WELL, ""))
