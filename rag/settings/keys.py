"""Parses ``API_KEYS`` strictly: keys and what they may do. No error message contains a key."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from rag.naming import checked_collection_name

SHORTEST_KEY = 16
LONGEST_KEY = 512
ALL = "*"
NAMELESS = "anybody"
"""The name of callers without a key, where keys are not required."""


def _require_other_name(name: str) -> str:
    if name == NAMELESS:
        raise ValueError(f"{NAMELESS!r} is the name of callers without a key")
    return name


KeyName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9])?$"),
    AfterValidator(_require_other_name),
]
"""1 to 64 characters. It appears in log lines. It has no colon, which names of tokens' subjects have."""


class Role(StrEnum):
    """What a key may do: ``read`` asks and lists, ``write`` also ingests and deletes, ``admin`` everything."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


def checked_collections(collections: Iterable[str]) -> tuple[str, ...]:
    """The scope of a key, sorted; ("*",) for all. ValueError when it is empty or has an invalid name."""
    named = tuple(sorted(set(collections)))
    if not named:
        raise ValueError('names no collection; "*" alone stands for all')
    if ALL in named and len(named) > 1:
        raise ValueError('"*" stands for all collections, so it stands alone')
    return named if ALL in named else tuple(map(checked_collection_name, named))


Scope = Annotated[tuple[str, ...], AfterValidator(checked_collections)]


class ApiKey(BaseModel):
    """The value of one entry of ``API_KEYS``. All three are required: nothing is granted by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: KeyName
    role: Role
    collections: Scope


def keys_of(value: object) -> dict[str, ApiKey]:
    """The entries of ``API_KEYS`` by key. ValueError naming each fault by the number of its entry.

    ``value``: JSON text, or the parsed JSON.
    """
    keys: list[tuple[str, ApiKey]] = []
    faults: list[str] = []
    entries = _entries(value)
    for number, (key, entry) in enumerate(entries, 1):
        parsed, wrong = _parse_entry(key, entry)
        faults += (f"entry {number}: {fault}" for fault in wrong)
        keys += [(key, parsed)] if parsed else []
    if _repeated(key for key, _ in entries):
        faults.append("a key is there twice")
    faults += (f"the name {name!r} is there twice" for name in _repeated(entry.name for _, entry in keys))
    if faults:
        raise ValueError("; ".join(faults))
    return dict(keys)


_MESSAGES = {
    "dict_type": "this is no object with name, role and collections",
    "model_type": "this is no object with name, role and collections",
    "enum": "this is none of read, write and admin",
    "extra_forbidden": "this is none of name, role and collections",
    "missing": "this is missing",
    "string_pattern_mismatch": (
        "a name has 1 to 64 letters, digits, spaces and . _ @ -, with a letter or digit at either end"
    ),
    "string_type": "this is no text",
    "tuple_type": 'this is no list, such as ["docs"] or ["*"]',
}
"""What is wrong with an entry, by pydantic's types of errors. It never contains the value."""


def _entries(value: object) -> list[tuple[str, object]]:
    """The entries as they are written: in order, with keys that are written twice."""
    if isinstance(value, str):
        try:
            value = json.loads(value, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            raise ValueError("this is no JSON object") from None
    if isinstance(value, _Pairs):
        return list(value)
    if isinstance(value, Mapping):
        return list(value.items())
    raise ValueError("this is no JSON object of keys")


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object as they are written."""


def _parse_entry(key: str, entry: object) -> tuple[ApiKey | None, list[str]]:
    """The entry, None when it is invalid; and what is wrong with it."""
    faults = []
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        faults.append(
            f"the key has {SHORTEST_KEY} to {LONGEST_KEY} characters; `openssl rand -hex 32` makes one"
        )
    elif not key.isprintable() or any(character.isspace() for character in key):
        faults.append("the key has printable characters alone, and no white space")
    if isinstance(entry, ApiKey):
        entry = entry.model_dump()
    if isinstance(entry, _Pairs):
        faults += [f"{_shown_field(name)} is there twice" for name in _repeated(name for name, _ in entry)]
        entry = dict(entry)
    try:
        return ApiKey.model_validate(entry), faults
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            where = ".".join(map(_shown_field, fault["loc"]))
            message = _MESSAGES.get(fault["type"], fault["msg"].removeprefix("Value error, "))
            faults.append(f"{where}: {message}" if where else message)
    return None, faults


def _shown_field(part: object) -> str:
    """The name of a field; only the length of an unknown one, which may be a misplaced key."""
    name = str(part)
    return name if name.isdecimal() or name in ApiKey.model_fields else f"a field of {len(name)} characters"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
