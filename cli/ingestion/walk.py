"""Finds what a command line names for ingestion: files, folders, patterns of them, addresses."""

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

from cli.ingestion.document_ids import document_id_below
from cli.ingestion.sources import Link, LocalFile, Omitted, Source
from rag.errors import ConfigurationError, UnsupportedMedia
from rag.media import HEAD_BYTES, described, media_type_of
from rag.system.folders import expanded

_LINKS = ("http://", "https://")
_PACKAGES = frozenset({"node_modules", "__pycache__", "venv"})
_ANY_DEPTH = "**"
_LOCK_FILE = "a lock file of an office program"

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
            # A shell's pattern may hand over names that begin with ~, such as ~$report.docx.
            path = Path(argument) if os.path.lexists(argument) else expanded(argument)
            yield from _behind(path, hidden=hidden)
        except OSError as error:
            raise ConfigurationError(f"{argument}: {error.strerror or error}") from error


def files(roots: Iterable[Path]) -> tuple[LocalFile, ...]:
    """The files below ``roots`` that can be read."""
    return tuple(one for one in sources(map(str, roots)) if isinstance(one, LocalFile))


def _behind(path: Path, *, hidden: bool) -> Walked:
    if path.is_dir():
        yield from _Walk(path, hidden=hidden).below(path)
    elif path.exists():
        yield _named(path, path.parent)
    elif not has_magic(str(path)):
        raise ConfigurationError(f"{path} is not there")
    else:
        yield from _matching(path, hidden=hidden)


def _matching(pattern: Path, *, hidden: bool) -> Walked:
    """The files that a pattern matches. Ids are paths below the folder before the first wildcard."""
    fixed = next(number for number, part in enumerate(pattern.parts) if has_magic(part))
    base = Path(*pattern.parts[:fixed])
    matches = _Matches(hidden=hidden)
    found = sorted(matches.below(base, pattern.parts[fixed:]), key=str)
    if not found and not matches.unread:
        raise ConfigurationError(f"nothing matches {pattern}")
    yield from matches.unread.values()
    walk, unwanted = _Walk(base, hidden=hidden), _PACKAGES.difference(pattern.parts)
    for match in found:
        if not unwanted.intersection(match.relative_to(base).parts):
            yield from walk.below(match) if _is_folder(match) else walk.file(match)


def _named(path: Path, base: Path) -> Source | Omitted:
    """A file that was asked for: it is sent whatever its type, which the API judges."""
    if _is_lock_file(path.name):  # which a shell's pattern names too
        return Omitted(str(path), _LOCK_FILE)
    if not path.is_file():
        return Omitted(str(path), "it is no ordinary file: pipe it into `-`", wanted=True, code="unread")
    try:
        found = LocalFile.at(path, document_id_below(base, path))
    except OSError as error:
        return _unread(path, error)
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
        if _is_lock_file(path.name):
            yield Omitted(str(path), _LOCK_FILE)
            return
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
            found = _named(path, self._base)
        except UnsupportedMedia:
            yield Omitted(str(path), described(head))
        except OSError as error:
            yield _unread(path, error)
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
                    yield Omitted(f"{path}/" if _is_folder(entry) else str(path), "hidden")
                elif _is_folder(entry):
                    yield path
                else:
                    yield from self.file(path)
        except OSError as error:
            yield _unread(folder, error)


class _Matches:
    """Finds what a pattern matches. ``hidden``: wildcards also match names that begin with a dot.

    ``unread``: by path, the folders that could not be listed.
    """

    def __init__(self, *, hidden: bool) -> None:
        self.unread: dict[Path, Omitted] = {}
        self._hidden = hidden

    def below(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """The files and folders below ``folder`` that the pattern's ``parts`` match."""
        if not parts:
            yield folder
            return
        part, rest = parts[0], parts[1:]
        steps: Iterable[Path]
        if part == _ANY_DEPTH:
            while rest and rest[0] == _ANY_DEPTH:  # ** twice in a row means the same as once
                rest = rest[1:]
            steps = self._folders(folder)
        elif has_magic(part):
            dotted = self._hidden or part.startswith(".")
            steps = (folder / name for name in self._names(folder, hidden=dotted) if fnmatch(name, part))
        else:
            steps = (folder / part,) if os.path.lexists(folder / part) else ()
        for path in steps:
            yield from self.below(path, rest)

    def _folders(self, top: Path) -> Iterator[Path]:
        """``top`` and every folder below it once, whatever links there are."""
        left, met = [top], set[tuple[int, int]]()
        while left:
            folder = left.pop()
            if not _is_folder(folder) or (place := _identity(folder)) in met:
                continue
            met.add(place)
            yield folder
            left.extend(folder / name for name in reversed(self._names(folder, hidden=self._hidden)))

    def _names(self, folder: Path, *, hidden: bool) -> list[str]:
        """The names of what is in the folder, in order."""
        try:
            return sorted(path.name for path in folder.iterdir() if hidden or not path.name.startswith("."))
        except NotADirectoryError:
            return []
        except OSError as error:
            self.unread[folder] = _unread(folder, error)
            return []


def _is_lock_file(name: str) -> bool:
    """Whether Microsoft Office (``~$report.docx``) or LibreOffice (``.~lock.report.odt#``) keeps it."""
    return name.startswith("~$") or (name.startswith(".~lock.") and name.endswith("#"))


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    """False also for what cannot be looked at, such as a link that leads to itself."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int]:
    """The same for every path that leads to the folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _unread(path: Path, error: OSError) -> Omitted:
    """A file or folder that was asked for and cannot be read."""
    name = f"{path}/" if _is_folder(path) else str(path)
    return Omitted(name, error.strerror or str(error), wanted=True, code="unread")
