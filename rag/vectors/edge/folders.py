"""The collections' folders on disk. A folder gets its final name only when it is complete.

<root>/lock                       held by the one process that has the folder open
<root>/docs-1/collection.json     name, spec, and which folder has the shard
<root>/docs-1/shard/              the engine's own files
<root>/docs-1/shard-1/            a copy of them without what was deleted, being made
<root>/docs-1/tokens.sqlite       token vectors, where the spec has them
<root>/docs-1/writes.log          what was written since the last flush
<root>/.new-…  <root>/.gone-…     being made, being removed; the next start deletes them
"""

import fcntl
import json
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from rag.errors import Conflict
from rag.model import CollectionSpec
from rag.system.filesystems import sync
from rag.vectors.payload import check_name

log = logging.getLogger(__name__)

_DESCRIPTION = "collection.json"


@dataclass(frozen=True, slots=True)
class CollectionFolder:
    """A collection's place on disk. ``number``: how often it was compacted."""

    name: str
    spec: CollectionSpec
    path: Path
    number: int = 0

    @property
    def shard(self) -> Path:
        return self.path / (f"shard-{self.number}" if self.number else "shard")

    @property
    def following(self) -> "CollectionFolder":
        """The same collection with the next shard."""
        return replace(self, number=self.number + 1)

    @property
    def tokens(self) -> Path:
        return self.path / "tokens.sqlite"

    @property
    def writes(self) -> Path:
        return self.path / "writes.log"


def lock(root: Path) -> BinaryIO:
    """Lock ``root`` for this process until the file is closed. Conflict when another process has it."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    # the kernel releases this lock with the process, so a crash leaves no stale one
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
    """Remove the folders that an earlier process did not finish to make or to remove."""
    for pattern in (".new-*", ".gone-*"):
        for path in root.glob(pattern):
            _empty(path)


def found(root: Path) -> list[CollectionFolder]:
    """The collections on disk, by name. A damaged description is logged, and its folder stays as it is."""
    folders = []
    for path in root.glob(f"[!.]*/{_DESCRIPTION}"):
        try:
            fields = json.loads(path.read_text())
            spec = CollectionSpec(fields["dimension"], fields["token_dimension"])
            folders.append(CollectionFolder(fields["name"], spec, path.parent, fields.get("shard", 0)))
        except (ValueError, KeyError, TypeError):
            log.error("%s cannot be read: restore it from a backup", path)  # noqa: TRY400 - one line
    return sorted(folders, key=lambda folder: folder.name)


def create_draft(root: Path, name: str, spec: CollectionSpec) -> CollectionFolder:
    """A folder for a new collection, which exists only after :func:`publish`. InvalidRequest for its name."""
    check_name(name)
    path = root / f".new-{uuid4().hex}"
    path.mkdir(mode=0o700)
    draft = CollectionFolder(name, spec, path)
    describe(draft)
    return draft


def describe(folder: CollectionFolder) -> None:
    """Write the description, in one step: from then on the shard of this number is the collection's."""
    draft = folder.path / f".new-{_DESCRIPTION}"
    with draft.open("w") as file:
        json.dump({"name": folder.name, **asdict(folder.spec), "shard": folder.number}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder.path / _DESCRIPTION)
    sync(folder.path)


def sweep_shards(folder: CollectionFolder) -> None:
    """Remove shards that are no longer, or not yet, the collection's."""
    for path in folder.path.glob("shard*"):
        if path != folder.shard:
            _empty(path)


def publish(draft: CollectionFolder, root: Path) -> CollectionFolder:
    """Rename the draft to its collection's name, in one step."""
    name = draft.name
    if name != name.lower():  # some file systems ignore case
        name = f"{name}.{sha256(name.encode()).hexdigest()[:8]}"
    path = draft.path.rename(root / name)
    sync(path)
    sync(root)
    return CollectionFolder(draft.name, draft.spec, path)


def remove(path: Path) -> None:
    """Rename the folder in one step, then delete it. A missing one is no error."""
    grave = path.with_name(f".gone-{uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(grave)
        sync(grave.parent)
        _empty(grave)


def _empty(grave: Path) -> None:
    with suppress(FileNotFoundError):  # another process deletes it too
        shutil.rmtree(grave)
