"""Words for messages: what a setting must be, and the value that was written instead."""

import re
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from rag.system.printable import one_line

_QUERY = re.compile(r"(?<=\?)[^,\s]+")
_HIDDEN = "…"
_LONGEST = 80

_PATTERNS = {
    r"^\S+$": "a name without spaces",
    "^[A-Za-z0-9._-]{1,64}$": "1 to 64 letters, digits, dots, '_' and '-'",
    "^[A-Za-z0-9_-]{1,64}$": "1 to 64 letters, digits, '_' and '-'",
    "^[A-Za-z0-9.:%_-]*$": "a name or an address of this machine, such as 0.0.0.0",
    r"^/?([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?/?$": "a path such as flower or ops/flower",
    "^[0-9a-f]{32}$": "32 hexadecimal digits",
    "^[A-Za-z0-9_:/.-]{1,128}$": "1 to 128 letters, digits, '_', ':', '/', '.' and '-'",
}
"""What each pattern of a setting asks for, in words."""

_KINDS = {
    bool: "true or false",
    dict: "an object in JSON",
    Path: "a path",
}


def masked(text: str) -> str:
    """``text`` without the credentials in its addresses and without everything after a question mark.

    Everything before the last ``@`` is hidden: a password may contain anything, and a scheme may be missing.
    """
    if "@" in text:
        scheme, mark, rest = text.partition("://")
        if not mark or "@" in scheme:
            scheme, mark, rest = "", "", text
        text = f"{scheme}{mark}{_HIDDEN}@{rest.rpartition('@')[2]}" if "@" in rest else text
    return _QUERY.sub(_HIDDEN, text) if "://" in text else text


def shown(value: object) -> str:
    """The value for a message: in one line, shortened, without credentials."""
    if not isinstance(value, str):
        return one_line(str(value))[:_LONGEST]
    text = masked(one_line(value))
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def wanted(field: FieldInfo, inner: tuple[int | str, ...] = ()) -> str:
    """What the value of the field must be; with ``inner``, what an entry of it must be."""
    if not inner:
        return _wanted(field.annotation, list(field.metadata))
    annotation, _ = _bare(field.annotation, [])
    arguments = get_args(annotation)
    return _wanted(arguments[1] if get_origin(annotation) is dict else arguments[0], [])


def is_short(field: FieldInfo) -> bool:
    """Whether its values are short: a number, yes or no, a choice. A long one was put there by mistake."""
    annotation, _ = _bare(field.annotation, [])
    return annotation in (bool, int, float) or bool(_choices(annotation))


def _wanted(annotation: Any, limits: list[Any]) -> str:
    annotation, limits = _bare(annotation, limits)
    if choices := _choices(annotation):
        return f"one of {', '.join(choices)}"
    if annotation in (int, float):
        return f"{'a whole number' if annotation is int else 'a number'}{_range(limits)}"
    kind, least = get_origin(annotation) or annotation, _limit(limits, "min_length")
    if kind is tuple:
        return f"a list{' of one or more,' if least else ''} with commas between, or in JSON"
    if kind in _KINDS:
        return _KINDS[kind]
    if pattern := _limit(limits, "pattern"):
        return _PATTERNS.get(pattern, f"a text that matches {pattern}")
    return f"a text of {least} characters or more" if least else "a text"


def _choices(annotation: Any) -> list[str]:
    """The values of a Literal or an Enum; [] for another type."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def _bare(annotation: Any, limits: list[Any]) -> tuple[Any, list[Any]]:
    """The annotation without ``| None`` and Annotated, and the limits with those in Annotated."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (each for each in get_args(annotation) if each is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return _bare(annotation, [*limits, *more])
    return annotation, limits


def _range(limits: list[Any]) -> str:
    least, most = _limit(limits, "ge"), _limit(limits, "le")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of {least} or more"
    above = _limit(limits, "gt")
    return "" if above is None else f" over {above}"


def _limit(limits: list[Any], name: str) -> Any:
    return next((found for limit in limits if (found := getattr(limit, name, None)) is not None), None)
