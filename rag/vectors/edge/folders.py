"""Where collections lie on disk: one folder each, which is whole as soon as it has its name.

<root>/lock                       held by the one process that has the folder open
<root>/docs-1/collection.json     name and spec
<root>/docs-1/shard/              the engine's own files
<root>/docs-1/tokens.sqlite       token vectors, where the spec has them
<root>/.new-…  <root>/.gone-…     being made, being removed; swept at the next start
"""

import fcntl
import json
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from rag.errors import Conflict
from rag.model import CollectionSpec
from rag.vectors.payload import check_name

log = logging.getLogger(__name__)

_DESCRIPTION = "collection.json"


@dataclass(frozen=True, slots=True)
class CollectionFolder:
    """A collection's place on disk."""

    name: str
    spec: CollectionSpec
    path: Path

    @property
    def shard(self) -> Path:
        return self.path / "shard"

    @property
    def tokens(self) -> Path:
        return self.path / "tokens.sqlite"


def lock(root: Path) -> BinaryIO:
    """Make ``root`` this process's own until the file is closed. Conflict when it is another's."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (root / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Conflict(
            f"another vector engine has {root} open; stop it, or set another AEGIS_HOME"
        ) from error
    return file


def sweep(root: Path) -> None:
    """Remove what an earlier process left half made or half removed."""
    for pattern in (".new-*", ".gone-*"):
        for path in root.glob(pattern):
            _empty(path)


def found(root: Path) -> list[CollectionFolder]:
    """The collections there are, by name. One whose description is damaged is logged and left alone."""
    read = (_read(path.parent) for path in root.glob(f"[!.]*/{_DESCRIPTION}"))
    return sorted((folder for folder in read if folder), key=lambda folder: folder.name)


def create_draft(root: Path, name: str, spec: CollectionSpec) -> CollectionFolder:
    """A folder to make a collection in; it counts from :func:`publish` on."""
    check_name(name)
    path = root / f".new-{uuid4().hex}"
    path.mkdir(mode=0o700)
    description = {"name": name, **asdict(spec)}
    _write(path / _DESCRIPTION, json.dumps(description))
    return CollectionFolder(name, spec, path)


def publish(draft: CollectionFolder, root: Path) -> CollectionFolder:
    """The draft under its own name, in one step."""
    path = draft.path.rename(root / _folder_name(draft.name))
    sync(path)
    sync(root)
    return CollectionFolder(draft.name, draft.spec, path)


def remove(path: Path) -> None:
    """Gone in one step, then emptied; nothing when it is not there."""
    grave = path.with_name(f".gone-{uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(grave)
        sync(grave.parent)
        _empty(grave)


def sync(folder: Path) -> None:
    """Make the names in ``folder``, or what a file holds, outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder_name(name: str) -> str:
    """``name``; with capitals also a digest, for file systems that ignore case."""
    if name == name.lower():
        return name
    return f"{name}.{sha256(name.encode()).hexdigest()[:8]}"


def _empty(grave: Path) -> None:
    with suppress(FileNotFoundError):  # another process was at it too
        shutil.rmtree(grave)


def _read(path: Path) -> CollectionFolder | None:
    try:
        fields = json.loads((path / _DESCRIPTION).read_text())
        spec = CollectionSpec(fields["dimension"], fields["token_dimension"])
        return CollectionFolder(fields["name"], spec, path)
    except (ValueError, KeyError, TypeError):
        log.error("%s: %s cannot be read: restore it from a backup", path, _DESCRIPTION)  # noqa: TRY400 - one line
        return None


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
