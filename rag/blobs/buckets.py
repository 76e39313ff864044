"""Opens the store that BLOB_URL or BACKUP_URL names with obstore, and translates obstore's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, ObjectStore, from_url

from rag.errors import AegisError, ConfigurationError, NoRoom, NotFound, Refused, Unavailable
from rag.settings import Settings
from rag.system.disks import SOON_SECONDS, folder_of, says_full

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
from pathlib import Path

from rag.system.disks import Room


class Disks:
    """The disks of this machine that jobs need: the embedded broker's and engine's, and a folder of blobs."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @classmethod
    def of(cls, settings: "Settings") -> "Disks":
        own = (settings.home,) if settings.embedded_broker or settings.qdrant_url is None else ()
        blobs = folder_of(settings.blob_address)
        return cls(*own, *([blobs] if blobs else []))

    def admit(self) -> None:
        """Return when new jobs may be submitted. NoRoom names a folder whose disk is nearly full."""
        for room in self.rooms():
            room.require(room.reserve)

    def rooms(self) -> Iterator[Room]:
        """The room of each folder's disk. NoRoom for one that cannot be read."""
        return map(Room.of, self._folders)


_S3 = ("s3", "s3a")
_RETRIES: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}
_LEAST_SECONDS = 30
_FORBIDDEN = ("os error 1)", "os error 13)", "[Errno 1]", "[Errno 13]")  # EPERM, EACCES
_NO_BUCKET = "the bucket is not there: create it, or change {setting}"
_REFUSALS = {
    "NoSuchBucket": _NO_BUCKET,
    "ContainerNotFound": _NO_BUCKET,
    "specified bucket does not exist": _NO_BUCKET,
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID is not known there",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is wrong, or a proxy changes requests",
    "RequestTimeTooSkewed": "this machine's clock is wrong by many minutes: set it",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "redirect without LOCATION": "the bucket is in another region: set AWS_REGION",
    "BadScheme": "AWS_ENDPOINT_URL is http://: make it https://, or set AWS_ALLOW_HTTP=true",
    "169.254.169.254": "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "UnknownIssuer": "its certificate is not trusted: SSL_CERT_FILE must name its authority's",
    "BlobImmutableDueToPolicy": "a policy keeps it from being changed or removed",
    "AccessDenied": "its credentials do not reach so far: they must read, write, delete and list",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How to write to a bucket; see the settings of the same names.

    ``body_mb``: the largest request body.
    """

    encryption: str | None = None
    kms_key: str | None = None
    allow_http: bool = False
    body_mb: int = 8

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        return cls(settings.blob_encryption, settings.blob_kms_key, settings.aws_allow_http)


def open_store(address: str, access: Access, setting: str) -> ObjectStore:
    """The store; nothing is sent yet. ConfigurationError, naming ``setting``, for an invalid address."""
    folder = folder_of(address)
    try:
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalStore(prefix=folder, automatic_cleanup=True)
        if address.startswith("memory:"):
            return from_url(address)
        return _open_bucket(address, access)
    except (BaseError, OSError, ValueError) as error:
        raise ConfigurationError(f"{setting} {address}: {_first_line(error)}") from error


def _open_bucket(address: str, access: Access) -> ObjectStore:
    seconds = max(_LEAST_SECONDS, access.body_mb)  # a request's body is sent at 1 MB a second at least
    client: ClientConfig = {
        "connect_timeout": "3s",
        "read_timeout": f"{seconds}s",
        "timeout": f"{2 * seconds}s",
        "allow_http": access.allow_http,
    }
    options: dict[str, Any] = {}
    if urlsplit(address).scheme in _S3:
        # every request has its body's SHA-256, so that the server refuses a body that arrives changed
        options["aws_checksum_algorithm"] = "SHA256"
        options["aws_server_side_encryption"] = access.encryption
        options["aws_sse_kms_key_id"] = access.kms_key
    given = {name: value for name, value in options.items() if value is not None}
    return from_url(address, client_options=client, retry_config=_RETRIES, **given)


@contextmanager
def translated_errors(subject: str, setting: str) -> Iterator[None]:
    """Translate obstore's errors into ours, in one line without its dump of internals.

    ``setting``: the one that names the store. Raises NotFound; Refused when a setting or a permission
    of the store is wrong; NoRoom for a full disk; else Unavailable.
    """
    try:
        yield
    except (BaseError, OSError) as error:
        raise _translate(subject, setting, error) from error


def _translate(subject: str, setting: str, error: Exception) -> AegisError:
    whole, reason = str(error), _first_line(error)
    if says_full(reason):
        return NoRoom(
            f"{subject} is full: free some space, then try again ({reason})", retry_after=SOON_SECONDS
        )
    if why := next((why for sign, why in _REFUSALS.items() if sign in whole), None):
        return Refused(f"{subject}: {why.format(setting=setting)}")
    if any(sign in reason for sign in _FORBIDDEN):
        return Refused(f"{subject}: the folder's permissions do not allow it ({reason})")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{subject}: {reason}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return Refused(f"{subject}: it refuses the credentials ({reason})")
    return Unavailable(f"{subject}: {reason}")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
