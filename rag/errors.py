"""Every error that Aegis raises on purpose, in one tree.

    AegisError
    ├── ConfigurationError        a setting is wrong; the process refuses to start
    ├── Permanent                 trying again cannot help
    │   ├── DocumentError         the document itself is the reason
    │   │   ├── UnsupportedMedia  no parser reads this type
    │   │   ├── UnreadableDocument  broken, encrypted or mislabelled
    │   │   ├── EmptyDocument     no text in it
    │   │   │   └── NotRecognised pictures of text perhaps, which were not recognised
    │   │   └── DocumentTooLarge  over a limit (bytes, memory, time, text)
    │   ├── InvalidRequest        a field has a value that no worker can use
    │   │   ├── InvalidCursor     no page of a listing returned it
    │   │   └── UnknownCollection
    │   ├── UnexpectedType        a call takes no body of this Content-Type
    │   ├── NotFound              the named job, document or collection is not there
    │   ├── Unauthenticated       a key is needed, and none or an unknown one was sent
    │   ├── Forbidden             the key does not allow the call
    │   ├── QuotaExceeded         the key, or the service, may store no more
    │   ├── Conflict              the call does not fit the present state
    │   │   └── IdempotencyMismatch
    │   ├── ModelError            a model answered something unusable
    │   ├── Forged                a message of the queue is not signed with MESSAGE_KEY
    │   └── BackupError           a backup cannot be used
    │       ├── DamagedBackup     an object of it is not what was stored, or missing
    │       └── WrongKey          BACKUP_KEY is not the one that it was made with
    └── Transient                 the same call may succeed later
        ├── Unavailable           a part is away: broker, vector engine, model server, blob store
        │   ├── Refused           it is there and refuses us: credentials, certificate, name
        │   ├── NoRoom            a disk is full, or nearly so
        │   └── Recovering        the broker lost its records, and they are being restored
        ├── Overloaded            a queue, rate or quota is full; carries ``retry_after``
        ├── TimedOut              no answer within the limit
        └── OutOfMemory           the work took more memory than it may

Adapters map their driver's exceptions onto this tree by one table each, with
:func:`translated`; nothing above an adapter knows a driver's exceptions.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


def without_credentials(text: str) -> str:
    """``text`` with ``…@`` in place of user and password in the URLs in it."""
    return _CREDENTIALS.sub("…@", text)


class AegisError(Exception):
    """Base of the tree.

    Attributes:
        code: the last part of a problem's ``type``, in kebab-case; it never changes.
        title: one short line for a person, the same for every instance.
        inward: whether the message may name hosts and paths, and so is for operators only.
    """

    code = "internal-error"
    title = "Something went wrong inside Aegis"
    inward = False

    def __init__(self, message: str = "", *, quote: str = "") -> None:
        """``quote``: the words of another program about the request, which may repeat text of a document or
        of a question. They end the message, in brackets, and no log shows them."""
        super().__init__(f"{message} ({quote})" if quote else message)
        self._message, self.quote = message, quote

    def __str__(self) -> str:
        """The message, without passwords in the URLs that it quotes."""
        return without_credentials(super().__str__())

    @property
    def for_logs(self) -> str:
        """The message as a log may show it: without what it quotes, and without passwords in URLs."""
        return without_credentials(self._message)


class ConfigurationError(AegisError):
    code = "configuration"
    title = "A setting is wrong"


class Permanent(AegisError):
    code = "permanent"
    title = "The request cannot be fulfilled"


class DocumentError(Permanent):
    code = "document"
    title = "The document cannot be used"

    @property
    def for_logs(self) -> str:
        """The title: a parser's own words may hold those of the document."""
        return self.title


class UnsupportedMedia(DocumentError):
    code = "unsupported-media"
    title = "No parser reads this type of document"


class UnreadableDocument(DocumentError):
    code = "unreadable-document"
    title = "The document cannot be read"


class EmptyDocument(DocumentError):
    code = "empty-document"
    title = "The document holds no text"


class NotRecognised(EmptyDocument):
    """The document shows pictures only, and no recognition has read them."""

    code = "not-recognised"
    title = "The document holds pictures only, which were not read"


class DocumentTooLarge(DocumentError):
    code = "document-too-large"
    title = "The document is over a limit"


class InvalidRequest(Permanent):
    code = "invalid-request"
    title = "A field has a value that cannot be used"


class InvalidCursor(InvalidRequest):
    code = "invalid-cursor"
    title = "The cursor is of no earlier page"


class UnknownCollection(InvalidRequest):
    code = "unknown-collection"
    title = "There is no such collection"


class UnexpectedType(Permanent):
    code = "unexpected-content-type"
    title = "The body has another Content-Type than this call takes"


class NotFound(Permanent):
    code = "not-found"
    title = "There is no such thing"


class Unauthenticated(Permanent):
    code = "unauthenticated"
    title = "A valid API key is needed"


class Forbidden(Permanent):
    code = "forbidden"
    title = "The API key does not allow this"


class QuotaExceeded(Permanent):
    code = "quota-exceeded"
    title = "As much is kept as may be"


class Conflict(Permanent):
    code = "conflict"
    title = "The call does not fit the present state"


class IdempotencyMismatch(Conflict):
    code = "idempotency-mismatch"
    title = "This Idempotency-Key was used with another body"


class ModelError(Permanent):
    code = "model"
    title = "A model answered something unusable"


class Forged(Permanent):
    code = "forged"
    title = "The message is not by a holder of MESSAGE_KEY"


class BackupError(Permanent):
    code = "backup"
    title = "The backup cannot be used"


class DamagedBackup(BackupError):
    code = "damaged-backup"
    title = "An object of the backup is damaged or missing"


class WrongKey(BackupError):
    code = "wrong-backup-key"
    title = "BACKUP_KEY is not the key of this backup"


class Transient(AegisError):
    code = "transient"
    title = "The call may succeed later"

    def __init__(self, message: str = "", *, quote: str = "", retry_after: float | None = None) -> None:
        """``retry_after``: seconds after which a retry makes sense, where it is known."""
        super().__init__(message, quote=quote)
        self.retry_after = retry_after


class Unavailable(Transient):
    code = "unavailable"
    title = "A part of the service is away"
    inward = True


class Refused(Unavailable):
    """At the start of a process, a setting is wrong. Later, the part may have been changed."""


class NoRoom(Unavailable):
    """Waiting for room costs no attempt: see :mod:`tasks.stages.outcomes`."""

    code = "no-room"
    title = "A disk has no room"


class Recovering(Unavailable):
    """The broker lost its records, and they are being restored."""

    inward = False


class Overloaded(Transient):
    code = "overloaded"
    title = "Too much at once"


class TimedOut(Transient):
    code = "timed-out"
    title = "No answer within the limit"


class OutOfMemory(Transient):
    code = "out-of-memory"
    title = "The work took more memory than it may"


ErrorTable = Mapping[type[BaseException], type[AegisError]]


@contextmanager
def translated(table: ErrorTable, subject: str) -> Iterator[None]:
    """Turn a driver's exceptions into ours.

    ``table`` maps driver classes to classes of this tree; the first entry of which
    the exception is an instance wins, so list subclasses first. ``subject`` begins
    the message ("Redis", "the vector engine").
    """
    try:
        yield
    except AegisError:
        raise
    except tuple(table) as error:
        ours = next(ours for theirs, ours in table.items() if isinstance(error, theirs))
        if isinstance(error, ValueError):  # of an answer that has another form, which it may quote
            raise ours(f"{subject}: {type(error).__name__}", quote=str(error)) from error
        raise ours(f"{subject}: {error or type(error).__name__}") from error
