"""Where copies of collections lie on disk, whole as soon as they have their name.

<root>/.copying-…            a copy that is being made; swept at the next start
<root>/.copy-NAME/docs-1/…   a copy, there until it is removed; each collection as in ``folders``
"""

import re
from pathlib import Path
from uuid import uuid4

from rag.errors import InvalidRequest
from rag.stores.vectors.folders import CollectionFolder, found, remove, sync

_PREFIX = ".copy-"
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}\Z")


def create_draft(root: Path) -> Path:
    """An empty folder to make a copy in."""
    path = root / f".copying-{uuid4().hex}"
    path.mkdir(mode=0o700)
    return path


def publish(draft: Path, root: Path, name: str) -> None:
    """The draft under its name, in one step, in place of one that is there."""
    path = path_of(root, name)
    remove(path)
    draft.rename(path)
    sync(root)


def collections(root: Path, name: str) -> dict[str, CollectionFolder]:
    """Those of a copy, by name; none when it is not there."""
    return {folder.name: folder for folder in found(path_of(root, name))}


def names(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name.removeprefix(_PREFIX) for path in root.glob(f"{_PREFIX}*")))


def path_of(root: Path, name: str) -> Path:
    """InvalidRequest for what cannot name a copy."""
    if not _NAME.match(name):
        raise InvalidRequest(f"{name!r} cannot name a copy: letters, digits and '-' only")
    return root / f"{_PREFIX}{name}"
