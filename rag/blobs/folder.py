"""Blobs as files of a folder, for the calls that each document makes.

obstore, which opens the same folder for all other calls, hands each call to a thread of its own. That takes
several times as long as the work itself: 60 µs of processor time for reading a small file, instead of 7.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO


class BlobFolder:
    """Files below ``folder``, named by their keys, which the caller has checked.

    Every method raises OSError; FileNotFoundError where no file has the key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> None:
        """Write the file in one step: others see the former one, or all of this one."""
        path = self._folder / key
        draft, file = _draft_beside(path)
        with _removed_if_broken_off(draft):
            with file:
                file.write(data)
            draft.rename(path)

    def get(self, key: str) -> bytes:
        with _folder_as_missing(), (self._folder / key).open("rb", buffering=0) as file:
            return file.readall()

    def exists(self, key: str) -> bool:
        return (self._folder / key).is_file()

    def delete(self, key: str) -> None:
        """Remove the file, and the folders above it that are empty now."""
        path = self._folder / key
        with _folder_as_missing():
            path.unlink()
        with suppress(OSError):  # one is not empty
            while (path := path.parent) != self._folder:
                path.rmdir()

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys below the folder ``prefix`` ("" for all), in no order, without unfinished files."""
        within = f"{prefix}/" if prefix else ""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._folder / prefix) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from self.keys(within + entry.name)
                elif not _is_draft(entry.name):
                    yield within + entry.name


def _draft_beside(path: Path) -> tuple[Path, BinaryIO]:
    """Create a file beside ``path``, and the folders above it. obstore names unfinished files in this way."""
    for number in count(1):
        try:
            draft = path.with_name(f"{path.name}#{number}")
            return draft, draft.open("xb")
        except FileExistsError:
            continue  # another call writes it, or was killed while it did
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
    raise AssertionError  # the count has no end


@contextmanager
def _removed_if_broken_off(draft: Path) -> Iterator[None]:
    """Remove the file when the block fails, also at a time limit."""
    try:
        yield
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _folder_as_missing() -> Iterator[None]:
    """Raise FileNotFoundError where the key is that of a folder, or goes through a file."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise FileNotFoundError(*error.args) from error


def _is_draft(name: str) -> bool:
    _, mark, number = name.rpartition("#")
    return bool(mark) and number.isdecimal()
