"""Room on a disk, asked for before much is written: what runs out of it there harms everybody."""

import shutil
from pathlib import Path

from rag.errors import Unavailable

_SPARE_BYTES = 256 * 1024 * 1024
_FULL_SECONDS = 300.0


def require_room(folder: Path, needed: int) -> None:
    """Unavailable unless the disk has room for so many bytes, and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise Unavailable(
            f"this needs {needed >> 20} MB and some to spare in {folder}, where {free >> 20} MB are free",
            retry_after=_FULL_SECONDS,
        )
