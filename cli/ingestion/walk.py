"""Finds what a command line names for ingestion: files, folders, patterns of them, addresses."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

from cli.ingestion.sources import Link, LocalFile, Omitted, Source
from rag.errors import ConfigurationError, UnsupportedMedia
from rag.media import HEAD_BYTES, described, media_type_of
from rag.naming import document_id_of_file
from rag.system.folders import expanded

_LINKS = ("http://", "https://")
_PACKAGES = frozenset({"node_modules", "__pycache__", "venv"})
_ANY_DEPTH = "**"

Walked = Iterator[Source | Omitted]


def sources(arguments: Iterable[str], *, hidden: bool = False) -> Walked:
    """Everything that ``arguments`` name; of a folder or pattern, what the API can read.

    ``hidden``: also files and folders whose names begin with a dot.
    ConfigurationError for a name that does not exist and a pattern without a match.
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


def files(roots: Iterable[Path]) -> tuple[LocalFile, ...]:
    """The files below ``roots`` that can be read."""
    return tuple(one for one in sources(map(str, roots)) if isinstance(one, LocalFile))


def _behind(path: Path, *, hidden: bool) -> Walked:
    if path.is_dir():
        yield from _Walk(path, hidden=hidden).below(path)
    elif path.exists():
        yield _named(path, path.name)
    elif not has_magic(str(path)):
        raise ConfigurationError(f"{path} is not there")
    else:
        fixed = next(number for number, part in enumerate(path.parts) if has_magic(part))
        base, parts = Path(*path.parts[:fixed]), path.parts[fixed:]
        walk = _Walk(base, hidden=hidden)  # ids are paths below the folder before the first wildcard
        found = sorted(_matches(base, parts, hidden=hidden), key=str)
        if not found:
            raise ConfigurationError(f"nothing matches {path}")
        unwanted = _PACKAGES.difference(path.parts)
        for match in found:
            if not unwanted.intersection(match.relative_to(base).parts):
                yield from walk.below(match) if match.is_dir() else walk.file(match)


def _named(path: Path, name: str) -> Source | Omitted:
    """A file that was asked for: it is sent whatever its type, which the API judges."""
    if not path.is_file():
        return Omitted(str(path), "it is no ordinary file: pipe it into `-`", wanted=True, code="unread")
    try:
        found = LocalFile.at(path, document_id_of_file(name))
    except OSError as error:
        return Omitted(str(path), _unread(error), wanted=True, code="unread")
    if not found.size:
        return Omitted(str(path), "there is nothing in it", wanted=True, code="empty")
    return found


class _Walk:
    """A walk below ``base``. It meets nothing twice, whatever links there are."""

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
        """The file if the API can read its type."""
        if path in self._files:
            return
        self._files.add(path)
        try:
            if not path.is_file():
                reason = "no ordinary file" if path.exists() else "a link that leads nowhere"
                yield Omitted(str(path), reason)
                return
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            if not head:
                yield Omitted(str(path), "empty")
                return
            media_type_of(path.name, None, head)
            found = _named(path, path.relative_to(self._base).as_posix())
        except UnsupportedMedia:
            yield Omitted(str(path), described(head))
        except OSError as error:
            yield Omitted(str(path), _unread(error), wanted=True, code="unread")
        else:
            yield found

    def _entries(self, folder: Path) -> Iterator[Source | Omitted | Path]:
        """What is in one folder; the folders within it as paths."""
        try:
            # Links may lead to a folder twice, or in a circle.
            if (place := _identity(folder)) in self._folders:
                return
            self._folders.add(place)
            # Sorted, so that documents are ingested in the same order each time.
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


def _matches(folder: Path, parts: Sequence[str], *, hidden: bool) -> Iterator[Path]:
    """The files and folders below ``folder`` that the pattern's ``parts`` match.

    ``hidden``: wildcards also match names that begin with a dot.
    """
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    steps: Iterable[Path]
    if part == _ANY_DEPTH:
        while rest and rest[0] == _ANY_DEPTH:  # ** twice in a row means the same as once
            rest = rest[1:]
        steps = _folders(folder, hidden=hidden)
    elif has_magic(part):
        dotted = hidden or part.startswith(".")
        steps = (folder / name for name in _names(folder, hidden=dotted) if fnmatch(name, part))
    else:
        steps = (folder / part,) if os.path.lexists(folder / part) else ()
    for path in steps:
        yield from _matches(path, rest, hidden=hidden)


def _folders(top: Path, *, hidden: bool) -> Iterator[Path]:
    """``top`` and every folder below it once, whatever links there are."""
    left, met = [top], set[tuple[int, int]]()
    while left:
        folder = left.pop()
        if not folder.is_dir() or (place := _identity(folder)) in met:
            continue
        met.add(place)
        yield folder
        left.extend(folder / name for name in reversed(_names(folder, hidden=hidden)))


def _names(folder: Path, *, hidden: bool) -> list[str]:
    """In order; none when the folder cannot be listed."""
    with suppress(OSError):
        return sorted(path.name for path in folder.iterdir() if hidden or not path.name.startswith("."))
    return []


def _identity(folder: Path) -> tuple[int, int]:
    """The same for every path that leads to the folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _unread(error: OSError) -> str:
    return error.strerror or str(error)
