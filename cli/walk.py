"""What a command line names for ingestion: files, folders, patterns of them, addresses."""

import os
from collections.abc import Iterable, Iterator
from glob import has_magic
from pathlib import Path

from cli.patterns import fixed_part, matches
from cli.sources import Found, Link, Omitted, Source
from rag.errors import ConfigurationError, UnsupportedMedia
from rag.folders import expanded
from rag.media import HEAD_BYTES, described, media_type_of
from rag.naming import document_id_of_file

_LINKS = ("http://", "https://")
_PACKAGES = frozenset({"node_modules", "__pycache__", "venv"})

Walked = Iterator[Source | Omitted]


def sources(arguments: Iterable[str], *, hidden: bool = False) -> Walked:
    """Everything that ``arguments`` name; of a folder or pattern, what the API reads.

    ``hidden``: also files and folders whose names begin with a dot.
    ConfigurationError for a name or pattern with nothing behind it.
    """
    for argument in arguments:
        if argument.lower().startswith(_LINKS):
            if not argument.isprintable():
                raise ConfigurationError(f"{argument!r} is no address: it has characters that do not show")
            yield Link(argument)
            continue
        if not argument:
            raise ConfigurationError("an argument is empty, so it names nothing: this folder is .")
        try:
            yield from _behind(expanded(argument), hidden=hidden)
        except OSError as error:
            raise ConfigurationError(f"{argument}: {error.strerror or error}") from error


def files(roots: Iterable[Path]) -> tuple[Found, ...]:
    """Those that are there to be read."""
    return tuple(one for one in sources(map(str, roots)) if isinstance(one, Found))


def _behind(path: Path, *, hidden: bool) -> Walked:
    if path.is_dir():
        yield from _Walk(path, hidden=hidden).below(path)
    elif path.exists():
        yield _named(path, path.name)
    elif has_magic(str(path)):
        yield from _matching(path, hidden=hidden)
    else:
        raise ConfigurationError(f"{path} is not there")


def _matching(pattern: Path, *, hidden: bool) -> Walked:
    """Ids are paths below the folder before the first wildcard. Of installed packages only what it names."""
    base = fixed_part(pattern)
    walk, found = _Walk(base, hidden=hidden), False
    unwanted = _PACKAGES.difference(pattern.parts)
    for path in sorted(matches(pattern, hidden=hidden), key=str):
        found = True
        if unwanted.intersection(path.relative_to(base).parts):
            continue
        yield from walk.below(path) if path.is_dir() else walk.file(path)
    if not found:
        raise ConfigurationError(f"nothing matches {pattern}")


def _named(path: Path, name: str) -> Source | Omitted:
    """A file that was asked for: sent whatever its type, which the API judges."""
    if not path.is_file():
        return Omitted(str(path), "it is no ordinary file: pipe it into `-`", wanted=True, code="unread")
    try:
        found = Found.at(path, document_id_of_file(name))
    except OSError as error:
        return Omitted(str(path), _unread(error), wanted=True, code="unread")
    if not found.size:
        return Omitted(str(path), "there is nothing in it", wanted=True, code="empty")
    return found


class _Walk:
    """Below ``base``. Nothing is met twice, whatever links there are."""

    def __init__(self, base: Path, *, hidden: bool) -> None:
        self._base, self._hidden = base, hidden
        self._folders: set[tuple[int, int]] = set()
        self._files: set[Path] = set()

    def below(self, folder: Path) -> Walked:
        """A folder's own files first, then what is in the folders within it."""
        left = [folder]
        while left:
            entries = list(self._entries(left.pop()))
            yield from (entry for entry in entries if not isinstance(entry, Path))
            left.extend(entry for entry in reversed(entries) if isinstance(entry, Path))

    def file(self, path: Path) -> Walked:
        if path in self._files:
            return
        self._files.add(path)
        try:
            yield self._judge(path)
        except OSError as error:
            yield Omitted(str(path), _unread(error), wanted=True, code="unread")

    def _entries(self, folder: Path) -> Iterator[Source | Omitted | Path]:
        """Of one folder; folders within it as paths."""
        try:
            if self._is_met(folder):
                return
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                path = folder / entry.name
                if entry.name in _PACKAGES:
                    yield Omitted(f"{path}/", "installed packages")
                elif entry.name.startswith(".") and not self._hidden:
                    yield Omitted(f"{path}/" if entry.is_dir() else str(path), "hidden")
                elif entry.is_dir():
                    yield path
                else:
                    yield from self.file(path)
        except OSError as error:
            yield Omitted(f"{folder}/", _unread(error), wanted=True, code="unread")

    def _judge(self, path: Path) -> Source | Omitted:
        if not path.is_file():
            return Omitted(str(path), "no ordinary file" if path.exists() else "a link that leads nowhere")
        if not (head := _head(path)):
            return Omitted(str(path), "empty")
        try:
            media_type_of(path.name, None, head)
        except UnsupportedMedia:
            return Omitted(str(path), described(head))
        return _named(path, path.relative_to(self._base).as_posix())

    def _is_met(self, folder: Path) -> bool:
        status = folder.stat()
        place = (status.st_dev, status.st_ino)
        known = place in self._folders
        self._folders.add(place)
        return known


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _unread(error: OSError) -> str:
    return error.strerror or str(error)
