"""Makes files, folders and whole file systems durable."""

import ctypes
import os
import sys
from pathlib import Path


def sync_file_system(folder: Path) -> bool:
    """Write all that is pending on the folder's file system to its disk, by syncfs(2).

    False, and nothing done, on systems without that call. Raises OSError.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
    return True


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
