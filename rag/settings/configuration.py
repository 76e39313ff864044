"""Reads configuration files: ``.env`` and ``aegis.toml``, or the one that AEGIS_CONFIG names.

Files of the current folder are read only when no other user could have written them, and
they may name no program: see ``docs/decisions/0035-settings.md``.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from rag.system.folders import expanded

CONFIG = "AEGIS_CONFIG"
NO_FILE, INHERITED = "none", "inherited"
"""Values of AEGIS_CONFIG: read no file; and read none and warn of nothing, since the parent has done both."""

ENV_FILE, TOML_FILE = ".env", "aegis.toml"
MOST_BYTES = 256 << 10
_SPACE = re.compile(r"\s{1025}")
"""The parser of ``.env`` is slow on so many spaces in a row."""

_REFERENCE = re.compile(r"\$\{\w+\}")
_OTHERS_WRITE, _OTHERS_READ = stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO
_ROOT = 0
CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")
"""The clouds' own clients read variables with these prefixes, so ``.env`` may have them too."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file. ``values``: its values as they are written, by name in lower case.

    ``named``: whether AEGIS_CONFIG names it. ``open_to_others``: whether it belongs to this user and
    others may read it. ``faults`` prevent a start; ``warnings`` are only shown.
    """

    label: str
    folder: Path
    named: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    open_to_others: bool = False
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether only our settings can be in it: a TOML file, not one of ``NAME=value`` lines."""
        return self.label.endswith(".toml")

    @property
    def cloud_variables(self) -> dict[str, str]:
        """The clouds' own variables in the file, with names in upper case."""
        upper = {} if self.is_ours else {name.upper(): value for name, value in self.values.items()}
        return {name: value for name, value in upper.items() if name.startswith(CLOUDS)}


def find(environment: Mapping[str, str]) -> Iterator[Found]:
    """The files that exist; values of earlier ones count before those of later ones."""
    named = environment.get(CONFIG, "")
    if named in (NO_FILE, INHERITED):
        return
    if named:
        yield _read(expanded(named, f"{CONFIG}: "), named, named=True)
        return
    home = environment.get("HOME")
    folder = environment.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    if found := _find_in_folder(Path(ENV_FILE), ENV_FILE):
        yield found
    if (found := _find_in_folder(Path(TOML_FILE), TOML_FILE)) or (
        folder and (found := _find_in_folder(path := Path(folder) / "aegis" / TOML_FILE, str(path)))
    ):
        yield found


def _find_in_folder(path: Path, label: str) -> Found | None:
    """The file, None when there is none: a folder may have its name, for example."""
    try:
        owner = path.lstat().st_uid  # a link's own owner, who chooses where it leads
    except OSError:
        return None
    if not path.is_file():
        return None
    return _ignored_for_owner(path, label, owner) or _read(path, label)


def _ignored_for_owner(path: Path, label: str, owner: int) -> Found | None:
    """The file without its values when its ``owner`` is neither this user nor root."""
    if owner in (os.geteuid(), _ROOT):
        return None
    return _ignored(path, label, f"it belongs to user {owner}; {CONFIG} names one that is meant")


def _ignored(path: Path, label: str, why: str) -> Found:
    return Found(label, path.parent, warnings=(f"{label} is not read, since {why}",))


def _read(path: Path, label: str, *, named: bool = False) -> Found:
    empty = Found(label, path.parent, named)
    try:
        if not path.is_file():
            return _broken(empty, "there is no such file")
        with path.open("rb") as file:
            # The owner and mode are those of the opened file: the path may lead elsewhere by now.
            status = os.fstat(file.fileno())
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        return _broken(empty, f"it cannot be read: {error.strerror}")
    if not named and (ignored := _ignored_for_owner(path, label, status.st_uid)):
        return ignored
    if not named and status.st_mode & _OTHERS_WRITE:
        return _ignored(path, label, f"everybody may write to it: chmod o-w {label}")
    return _parse(replace(empty, open_to_others=_is_open(status)), content)


def _parse(file: Found, content: bytes) -> Found:
    if len(content) > MOST_BYTES:
        return _broken(file, f"it is over {MOST_BYTES >> 10} KB")
    try:
        text = content.decode("utf-8-sig")
        if not file.is_ours:
            return _parse_lines(file, text)
        values = tomllib.loads(text)
    except UnicodeDecodeError:
        return _broken(file, "it holds something else than text in UTF-8")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _broken(file, f"it is no TOML: {error}")
    return replace(file, values={name.lower(): value for name, value in values.items()})


def _parse_lines(file: Found, text: str) -> Found:
    """``NAME=value`` lines as docker and python-dotenv read them, except that ``${NAME}`` is not replaced."""
    if _SPACE.search(text):
        return _broken(file, "it has over a thousand spaces or empty lines in a row")
    given: dict[str, str] = {}
    warnings = []
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            warnings.append(f"{file.label}: line {binding.original.line} is not read: it is not NAME=value")
        elif binding.key and binding.value:
            given[binding.key.lower()] = binding.value
    return replace(file, values=given, warnings=tuple(warnings))


def _broken(file: Found, why: str) -> Found:
    """The file with a fault if it is ours; with a warning if it may be another program's ``.env``."""
    line = f"{CONFIG}: {file.label}: {why}" if file.named else f"{file.label} is not read: {why}"
    if file.named or file.is_ours:
        return replace(file, faults=(line,))
    return replace(file, warnings=(line,))


def is_open_to_others(path: Path) -> bool:
    """Whether others may read a file of this user; False for another's, whose mode this user cannot change."""
    try:
        return _is_open(path.stat())
    except OSError:  # it was removed meanwhile
        return False


def _is_open(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and bool(status.st_mode & _OTHERS_READ)


def has_reference(value: object) -> bool:
    """Whether a value, or something in it, refers to a variable: ``${NAME}``."""
    if isinstance(value, dict):
        return any(map(has_reference, [*value, *value.values()]))
    if isinstance(value, list):
        return any(map(has_reference, value))
    return isinstance(value, str) and _REFERENCE.search(value) is not None
