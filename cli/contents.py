"""A file as it is sent: its bytes, its name, and the length that it had when it was opened."""

import os
from dataclasses import dataclass
from typing import BinaryIO


class Fixed:
    """A file with the length that it had when it was opened, whatever is written to it meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size

    def read(self, most: int = -1) -> bytes:
        """OSError when the file has become shorter."""
        left = max(0, self._size - self._file.tell())
        piece = self._file.read(left if most < 0 else min(most, left))
        if left and most and not piece:
            raise OSError("it became shorter while it was sent")
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._size + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, from where ``stream`` stands. ``media_type`` None: to be told from name and bytes."""

    stream: BinaryIO | Fixed
    name: str
    media_type: str | None = None

    @property
    def part(self) -> tuple[str, BinaryIO | Fixed] | tuple[str, BinaryIO | Fixed, str]:
        """Of a form, whose names are UTF-8 whatever those of files are."""
        name = os.fsencode(self.name).decode("utf-8", "replace")
        return (name, self.stream, self.media_type) if self.media_type else (name, self.stream)
