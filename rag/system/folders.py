"""Makes and checks folders that only their owner may look into, and reads paths as people write them."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from rag.errors import ConfigurationError, translated

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(path: Path) -> Path:
    """Make ``path`` where it is missing, close it to others, and return it.

    ConfigurationError for another user's folder, and for one that cannot be made.
    """
    try:
        with suppress(FileExistsError):  # a file, or a link that leads nowhere: the next line refuses both
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_own(path)
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            path.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be made a folder of ours ({error.strerror}): choose another AEGIS_HOME or TMPDIR"
        ) from error
    return path


def require_own(path: Path) -> None:
    """ConfigurationError for a link, a file, or a folder that another user has made in a place open to all.

    The owner of the parent folder may own it too, since they can do with it what they like anyway.
    """
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{path} is no folder: remove it, or choose another AEGIS_HOME or TMPDIR")
    if status.st_uid not in (os.geteuid(), path.parent.stat().st_uid):
        raise ConfigurationError(
            f"{path} belongs to user {status.st_uid}, who could read and write in our name: "
            "have it removed, or choose another AEGIS_HOME or TMPDIR"
        )


def keep_private() -> None:
    """Have this process, and those that it starts, make files and folders that only their owner may use."""
    os.umask(0o077)


def expanded(path: str | Path, whose: str = "") -> Path:
    """``path`` with the folder of a user in place of ``~``. ConfigurationError when there is none."""
    with translated({RuntimeError: ConfigurationError}, f"{whose}{path}"):
        return Path(path).expanduser()
