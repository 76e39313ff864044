"""Patterns of files, such as ``reports/**/*.pdf``, matched without going round in circles of links."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

_ANY_DEPTH = "**"


def fixed_part(pattern: Path) -> Path:
    """The folder before the first wildcard."""
    fixed = next(number for number, part in enumerate(pattern.parts) if has_magic(part))
    return Path(*pattern.parts[:fixed])


def matches(pattern: Path, *, hidden: bool) -> Iterator[Path]:
    """Files and folders; ``hidden``: wildcards stand also for names that begin with a dot."""
    base = fixed_part(pattern)
    parts = pattern.parts[len(base.parts) :]
    deep = [part for part, before in zip(parts, ("", *parts), strict=False) if {part, before} != {_ANY_DEPTH}]
    return _below(base, deep, hidden=hidden)  # where ** twice in a row means the same as once


def _below(folder: Path, parts: Sequence[str], *, hidden: bool) -> Iterator[Path]:
    if not parts:
        yield folder
        return
    for path in _step(folder, parts[0], hidden=hidden):
        yield from _below(path, parts[1:], hidden=hidden)


def _step(folder: Path, part: str, *, hidden: bool) -> Iterator[Path]:
    """What one part of the pattern leads to."""
    if part == _ANY_DEPTH:
        return _folders(folder, hidden=hidden)
    if has_magic(part):
        dotted = hidden or part.startswith(".")
        return (folder / name for name in _names(folder, hidden=dotted) if fnmatch(name, part))
    return iter((folder / part,) if os.path.lexists(folder / part) else ())


def _folders(top: Path, *, hidden: bool) -> Iterator[Path]:
    """``top`` and every folder below it once, whatever links there are."""
    left, met = [top], set[tuple[int, int]]()
    while left:
        folder = left.pop()
        if not folder.is_dir() or (place := _place(folder)) in met:
            continue
        met.add(place)
        yield folder
        left.extend(folder / name for name in reversed(_names(folder, hidden=hidden)))


def _names(folder: Path, *, hidden: bool) -> list[str]:
    """In order; none of what cannot be listed."""
    with suppress(OSError):
        return sorted(path.name for path in folder.iterdir() if hidden or not path.name.startswith("."))
    return []


def _place(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
