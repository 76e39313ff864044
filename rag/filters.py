"""Reads the filters of queries, and the metadata of passages that filters look at.

A filter is a JSON object; a passage must fit every entry:

    {"lang": "en"}                          equal
    {"year": [2023, 2024]}                  equal to one of them
    {"year": {"gte": 2020, "lt": 2025}}     in a range: any of gte, gt, lte, lt
    {"issued": {"gte": "2024-05-01"}}       a range of ISO 8601 dates or times (UTC unless they say)
    {"author.name": "Curie"}                dots lead into nested objects

``document_id`` and ``title`` address the passage itself and take equality only; every
other key addresses its metadata. Of a list, one fitting element is enough. 2020 equals
2020.0; strings are compared exactly.

:func:`parse` reads a filter and :func:`facts_of` reads metadata, so that an engine only has to look up
strings (``terms``) and compare numbers (``numbers``, ``dates``).
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeAlias

from rag.errors import InvalidRequest

Scalar: TypeAlias = str | int | float | bool

OF_THE_PASSAGE = ("document_id", "title")
MAX_CONDITIONS = 32
MAX_CHOICES = 256
MAX_DEPTH = 8
MAX_FACTS = 512
_BOUNDS = ("gte", "gt", "lte", "lt")
_MAX_TERM = 200
_MAX_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The value at ``path`` equals one of ``values``."""

    path: str
    values: tuple[Scalar, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """A passage fits if :attr:`Facts.terms` has at least one of these terms."""
        return tuple(_term(self.path, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Between:
    """The number at ``path`` is within the bounds; with ``dates``, the time there in Unix seconds."""

    path: str
    dates: bool
    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


Condition: TypeAlias = AnyOf | Between


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that filters compare: the ``path=value`` terms of a passage, numbers and times by path."""

    terms: tuple[str, ...]
    numbers: Mapping[str, list[float]]
    dates: Mapping[str, list[float]]


def parse(where: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a filter, all of which must hold. InvalidRequest says what is wrong."""
    if not isinstance(where, Mapping):
        raise InvalidRequest("filter: must be an object of field names and values")
    if len(where) > MAX_CONDITIONS:
        raise InvalidRequest(f"filter: has over {MAX_CONDITIONS} fields")
    return tuple(_condition(path, value) for path, value in where.items())


def _condition(path: object, value: object) -> Condition:
    if not isinstance(path, str) or not all(path.split(".")) or not _encodable(path):
        raise InvalidRequest(f"filter: {path!r} is no field name")
    if isinstance(value, Mapping):
        return _between(path, value)
    values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    if not 0 < len(values) <= MAX_CHOICES:
        raise InvalidRequest(f"filter: {path} must list 1 to {MAX_CHOICES} values")
    for one in values:
        is_text = isinstance(one, str) and _encodable(one)
        if not is_text and not (isinstance(one, bool | int | float) and _finite(one)):
            raise InvalidRequest(
                f"filter: {path} must be compared with a string, a finite number, true or false"
            )
    return AnyOf(path, tuple(values))


def _between(path: str, bounds: Mapping[Any, Any]) -> Between:
    if path in OF_THE_PASSAGE:
        raise InvalidRequest(f"filter: {path} takes a value or a list of values, no range")
    if not _rangeable(path):
        raise InvalidRequest(f"filter: {path!r} cannot be compared by range: it has a quote or a backslash")
    if not bounds or not set(bounds) <= set(_BOUNDS):
        raise InvalidRequest(f"filter: {path} must be a range of {', '.join(_BOUNDS)}, or a value, or a list")
    dates = all(isinstance(bound, str) for bound in bounds.values())
    read: dict[str, float] = {}
    for name, bound in bounds.items():
        is_number = isinstance(bound, int | float) and not isinstance(bound, bool) and _finite(bound)
        value = _seconds(bound) if dates else float(bound) if is_number else None
        if value is None and dates:
            raise InvalidRequest(
                f"filter: {bound!r}, a bound of {path}, is no ISO 8601 date such as 2024-05-01"
            )
        if value is None:
            raise InvalidRequest(
                f"filter: the bounds of {path} must be finite numbers, or all ISO 8601 dates"
            )
        read[name] = value
    return Between(path, dates, **read)


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer that no float can hold
        return False


def facts_of(document_id: str, title: str, metadata: Mapping[str, Any]) -> Facts:
    """The facts of a passage. InvalidRequest for metadata that is not plain, finite, encodable JSON."""
    terms = {_term("document_id", document_id): None, _term("title", title): None}
    numbers: dict[str, list[float]] = {}
    dates: dict[str, list[float]] = {}
    for path, value in _leaves("", metadata, 0):
        if path in OF_THE_PASSAGE:
            continue
        terms[_term(path, value)] = None
        seconds = _seconds(value) if isinstance(value, str) else None
        if seconds is not None and _rangeable(path):
            dates.setdefault(path, []).append(seconds)
        elif isinstance(value, int | float) and not isinstance(value, bool) and _rangeable(path):
            numbers.setdefault(path, []).append(float(value))
    if len(terms) > MAX_FACTS:
        raise InvalidRequest(f"metadata: holds over {MAX_FACTS} values")
    return Facts(tuple(terms), numbers, dates)


def terms_of_field(field: str, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The terms of this field in checked metadata, by which passages with an equal field are found."""
    found = _leaves(field, metadata.get(field), 1)
    return tuple(dict.fromkeys(_term(path, value) for path, value in found if path == field))


def _leaves(path: str, value: object, depth: int) -> Iterator[tuple[str, Scalar]]:
    """Every scalar with the dotted path that leads to it; lists add nothing to a path."""
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"metadata: {path} is nested deeper than {MAX_DEPTH}")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not _encodable(key):
                raise InvalidRequest(f"metadata: {key!r} is no field name")
            yield from _leaves(f"{path}.{key}" if path else key, inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(path, inner, depth + 1)
    elif value is not None:
        yield path, _plain(path, value)


def _plain(path: str, value: object) -> Scalar:
    if isinstance(value, bool) or (isinstance(value, str) and _encodable(value)):
        return value
    if isinstance(value, int) and -_MAX_INTEGER <= value < _MAX_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InvalidRequest(
        f"metadata: {path} must hold JSON values: valid Unicode strings, finite numbers of at most 64 bits, "
        f"true, false, null, lists and objects"
    )


def _term(path: str, value: Scalar) -> str:
    # 2020 and 2020.0 are the same term.
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_INTEGER:
        value = int(value)
    term = f"{path}={json.dumps(value, ensure_ascii=False)}"
    if len(term) <= _MAX_TERM:
        return term
    return f"#{sha256(term.encode()).hexdigest()}"


def _seconds(text: str) -> float | None:
    """Unix seconds of an ISO 8601 date or time; None when ``text`` is something else."""
    if not 8 <= len(text) <= 40 or not text[:4].isdecimal():
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rangeable(path: str) -> bool:
    """Whether an engine's path syntax can name the field."""
    return '"' not in path and "\\" not in path


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which no engine and no JSON writer takes
        return False
    return True
