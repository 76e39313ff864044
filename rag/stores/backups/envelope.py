"""The form of a vault's small objects: the SHA-256 of all that follows, a line of JSON, and a body.

    <64 hex digits>\\n{"format": 1, …}\\n<body>

So a change of any bit is found without a key, and before anything of it is believed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from rag.errors import BackupError, DamagedBackup
from rag.model import Json

FORMAT = 1


def enclosed(header: Json, body: bytes = b"") -> bytes:
    """The object. ``header`` is readable by anybody."""
    line = json.dumps({"format": FORMAT, **header}, separators=(",", ":"))
    rest = b"%b\n%b" % (line.encode(), body)
    return b"%b\n%b" % (sha256(rest).hexdigest().encode(), rest)


def disclosed(key: str, data: bytes) -> tuple[Json, bytes]:
    """Header and body of the object ``key``. DamagedBackup; BackupError for one of a later format."""
    digest, _, rest = data.partition(b"\n")
    if digest != sha256(rest).hexdigest().encode():
        raise DamagedBackup(f"{key} is damaged: its SHA-256 is not the one at its beginning")
    line, _, body = rest.partition(b"\n")
    with understood(key):
        header: Json = json.loads(line)
        later = header["format"] > FORMAT
    if later:
        raise BackupError(
            f"{key} has format {header['format']}, and this version of Aegis reads format {FORMAT}: "
            "use the version that made it, or a later one"
        )
    return header, body


@contextmanager
def understood(key: str) -> Iterator[None]:
    """Around what takes the object's content apart: DamagedBackup where that is not of the right form."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedBackup(
            f"{key} is damaged: it is not in the form of format {FORMAT} ({error!r})"
        ) from error
