"""``API_KEYS``: keys and what they may do, read strictly. No message of an error holds a key."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from rag.naming import checked_collection_name

SHORTEST_KEY = 16
LONGEST_KEY = 512
ALL = "*"
NAMELESS = "anybody"
"""How a caller without a key is called, where none is asked for."""


def _not_nameless(name: str) -> str:
    if name == NAMELESS:
        raise ValueError(f"{NAMELESS!r} is the name of callers without a key")
    return name


KeyName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9])?$"),
    AfterValidator(_not_nameless),
]
"""Of 1 to 64 characters. It stands in log lines, and has no colon, as the names of tokens' subjects have."""


class Role(StrEnum):
    """What a key may do: ``read`` asks and lists, ``write`` ingests and deletes, ``admin`` all."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


def checked_collections(collections: Iterable[str]) -> tuple[str, ...]:
    """The scope of a key, sorted; ("*",) for all. ValueError for none, and for what is no collection's name."""
    named = tuple(sorted(set(collections)))
    if not named:
        raise ValueError('names no collection; "*" alone stands for all')
    if ALL in named and len(named) > 1:
        raise ValueError('"*" stands for all collections, so it stands alone')
    return named if ALL in named else tuple(map(checked_collection_name, named))


Scope = Annotated[tuple[str, ...], AfterValidator(checked_collections)]


class ApiKey(BaseModel):
    """The value of one entry of ``API_KEYS``. All three are to be written: nothing is granted by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: KeyName
    role: Role
    collections: Scope


def keys_of(value: object) -> dict[str, ApiKey]:
    """The keys of ``API_KEYS``, by themselves. ValueError naming each fault by the number of its entry.

    ``value``: JSON text, or what it says.
    """
    entries = _entries(value)
    parsed = [(key, _parsed(number, key, entry)) for number, (key, entry) in enumerate(entries, 1)]
    faults = [*(fault for _, (_, faults) in parsed for fault in faults), *_repeated(parsed)]
    if faults:
        raise ValueError("; ".join(faults))
    return {key: entry for key, (entry, _) in parsed if entry is not None}


_WORDS = {
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
"""What is wrong with an entry, by pydantic's names. The value is never among it."""

_Parsed = tuple[str, tuple[ApiKey | None, list[str]]]


def _entries(value: object) -> list[tuple[str, object]]:
    """In the order in which they are written; a key that is written twice is there twice."""
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
    """Members of a JSON object as they are written."""


def _parsed(number: int, key: str, entry: object) -> tuple[ApiKey | None, list[str]]:
    """The entry, and what is wrong with it."""
    where, faults = f"entry {number}", []
    if fault := _of_key(key):
        faults.append(f"{where}: the key {fault}")
    if isinstance(entry, ApiKey):
        entry = entry.model_dump()
    if isinstance(entry, _Pairs):
        faults += [f"{where}: {_shown(name)} is there twice" for name in _twice(name for name, _ in entry)]
        entry = dict(entry)
    try:
        return ApiKey.model_validate(entry), faults
    except ValidationError as error:
        return None, [*faults, *(f"{where}: {fault}" for fault in _faults(error))]


def _of_key(key: str) -> str | None:
    """What is wrong with it."""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        return f"has {SHORTEST_KEY} to {LONGEST_KEY} characters; `openssl rand -hex 32` makes one"
    if not key.isprintable() or any(character.isspace() for character in key):
        return "has printable characters alone, and no white space"
    return None


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(_shown(part) for part in fault["loc"])
        message = _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        yield f"{where}: {message}" if where else message


def _shown(part: object) -> str:
    """Name of a field; of one that is foreign its length alone, since a key may have come to stand there."""
    name = str(part)
    return name if name.isdecimal() or name in ApiKey.model_fields else f"a field of {len(name)} characters"


def _repeated(parsed: list[_Parsed]) -> Iterator[str]:
    if _twice(key for key, _ in parsed):
        yield "a key is there twice"
    names = (entry.name for _, (entry, _) in parsed if entry is not None)
    yield from (f"the name {name!r} is there twice" for name in _twice(names))


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
