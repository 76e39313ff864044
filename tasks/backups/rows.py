"""Rows that one portion of a backup leaves for another, compressed, among the artefacts of its job."""

import zlib
from collections.abc import Iterable, Iterator

from rag.backups.contents import lines
from tasks.stages.run import StageRun

_LEVEL = 1  # they are read once, and go with the job


def leave(run: StageRun, name: str, rows: Iterable[bytes]) -> None:
    """Rows end with a line's end."""
    run.save(name, zlib.compress(b"".join(rows), _LEVEL))


def left(run: StageRun, name: str) -> Iterator[bytes]:
    """The rows without their ends. NotFound when they are gone."""
    return lines([zlib.decompress(run.load(name))])
