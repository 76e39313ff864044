"""The files that settings may lie in: ``.env`` and ``aegis.toml``, or the one that AEGIS_CONFIG names.

Files of the folder that one stands in are read only where nobody else could have written them, and
name no program: see ``docs/decisions/0035-settings.md``.
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

from rag.folders import expanded

CONFIG = "AEGIS_CONFIG"
NO_FILE, INHERITED = "none", "inherited"
"""Values of AEGIS_CONFIG: read no file; and, by a process of ours that looked for both, say nothing either."""

ENV_FILE, TOML_FILE = ".env", "aegis.toml"
MOST_BYTES = 256 << 10
_SPACE = re.compile(r"\s{1025}")
"""More than that in a row makes the parser of ``.env`` slow."""

_NAMED = re.compile(r"\$\{\w+\}")
_OTHERS_WRITE, _OTHERS_READ = stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO
_ROOT = 0
CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")
"""Variables of these are read by their own clients, so ``.env`` may hold them too."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file. ``values``: what it gives, by names in lower case, as it is written there.

    ``named``: whether AEGIS_CONFIG names it. ``open_to_others``: whether others than its owner, who is this
    user, may read it. ``faults`` stop a start; ``warnings`` are told.
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
        """Whether nobody else's variables can be in it: a TOML file, not one of ``NAME=value`` lines."""
        return self.label.endswith(".toml")


def find(environment: Mapping[str, str]) -> Iterator[Found]:
    """The files that are there, the strongest first."""
    named = environment.get(CONFIG, "")
    if named in (NO_FILE, INHERITED):
        return
    if named:
        yield _read(expanded(named, f"{CONFIG}: "), named, named=True)
        return
    if found := _in_folder(Path(ENV_FILE), ENV_FILE):
        yield found
    for path in _places(environment):
        if found := _in_folder(path, TOML_FILE if path == Path(TOML_FILE) else str(path)):
            yield found
            return


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where aegis.toml may be."""
    yield Path(TOML_FILE)
    home = environment.get("HOME")
    if folder := environment.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
        yield Path(folder) / "aegis" / TOML_FILE


def _in_folder(path: Path, label: str) -> Found | None:
    """None where there is no such file: a folder may be called ``.env``, for one."""
    try:
        owner = path.lstat().st_uid  # of a link, if it is one
    except OSError:
        return None
    if not path.is_file():
        return None
    return _of_stranger(path, label, owner) if _is_strange(owner) else _read(path, label)


def _is_strange(owner: int) -> bool:
    return owner not in (os.geteuid(), _ROOT)


def _of_stranger(path: Path, label: str, owner: int) -> Found:
    return _untaken(path, label, f"it belongs to user {owner}; {CONFIG} names one that is meant")


def _untaken(path: Path, label: str, why: str) -> Found:
    return Found(label, path.parent, warnings=(f"{label} is not read, since {why}",))


def _read(path: Path, label: str, *, named: bool = False) -> Found:
    """What is wrong with a file of ours stops the start; with a ``.env``, which may be another's, it is told.

    Whose it is and who may write to it, is asked of the very file that is read.
    """
    empty = Found(label, path.parent, named)
    try:
        if not path.is_file():
            return _broken(empty, "there is no such file")
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        return _broken(empty, f"it cannot be read: {error.strerror}")
    if not named and _is_strange(status.st_uid):
        return _of_stranger(path, label, status.st_uid)
    if not named and status.st_mode & _OTHERS_WRITE:
        return _untaken(path, label, f"everybody may write to it: chmod o-w {label}")
    return _parsed(replace(empty, open_to_others=_is_open(status)), content)


def _parsed(file: Found, content: bytes) -> Found:
    if len(content) > MOST_BYTES:
        return _broken(file, f"it is over {MOST_BYTES >> 10} KB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _broken(file, "it holds something else than text in UTF-8")
    return _tables(file, text) if file.is_ours else _lines(file, text)


def is_open_to_others(path: Path) -> bool:
    """Whether others may read this user's own file. How another's file is kept, this user cannot change."""
    try:
        return _is_open(path.stat())
    except OSError:  # it is gone meanwhile
        return False


def _is_open(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and bool(status.st_mode & _OTHERS_READ)


def _broken(file: Found, why: str) -> Found:
    line = f"{CONFIG}: {file.label}: {why}" if file.named else f"{file.label} is not read: {why}"
    if file.named or file.is_ours:
        return replace(file, faults=(line,))
    return replace(file, warnings=(line,))


def _tables(file: Found, text: str) -> Found:
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _broken(file, f"it is no TOML: {error}")
    return replace(file, values={name.lower(): value for name, value in values.items()})


def _lines(file: Found, text: str) -> Found:
    """``NAME=value`` a line, as docker and python-dotenv read it, but that no variable is put in."""
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


def is_filled_in(value: object) -> bool:
    """Whether a value, or something in it, waits for another variable to be put in: ``${NAME}``."""
    if isinstance(value, dict):
        return any(map(is_filled_in, [*value, *value.values()]))
    if isinstance(value, list):
        return any(map(is_filled_in, value))
    return isinstance(value, str) and _NAMED.search(value) is not None
