"""What the text of a variable says, and the text that says a value: each the other's inverse."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

_BETWEEN = re.compile(r"[,\s]+")
_LEVELS = {
    "CRIT": "CRITICAL", "ERR": "ERROR", "FATAL": "CRITICAL", "NOTICE": "INFO", "PANIC": "CRITICAL",
    "SILLY": "DEBUG", "TRACE": "DEBUG", "VERBOSE": "DEBUG", "WARN": "WARNING",
}  # fmt: skip
"""What other programs call the levels of log lines."""


def value_of(name: str, field: FieldInfo, text: str) -> object:
    """``text`` as pydantic takes it for the field: lists by commas or JSON, choices in any case.

    ValueError for text that begins like JSON and is none.
    """
    kinds = [get_origin(kind) or kind for kind in (field.annotation, *get_args(field.annotation))]
    if name == "log_level":
        return _LEVELS.get(text.strip().upper(), text.strip().upper())
    if kinds[0] is tuple:
        return _list(text)
    if kinds[0] is dict and name != "api_keys":  # which is read more strictly
        return _object(text)
    if Literal in kinds:
        return _choice(field.annotation, text)
    return text


def text_of(value: object) -> str:
    """What a variable of the environment says for ``value``, which may be a secret."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    if isinstance(value, tuple | Mapping):
        return json.dumps(value, default=_plain)
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"no setting has a {type(value).__name__} in it")


def _list(text: str) -> object:
    if text.lstrip().startswith("["):
        return _json(text, 'list, such as ["one", "two"]; one, two is the same')
    return [entry for entry in _BETWEEN.split(text) if entry]


def _object(text: str) -> object:
    return _json(text, 'object, such as {"name": "value"}')


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"this is no JSON {what}") from None


def _choice(annotation: Any, text: str) -> str:
    """The one of a Literal's words that differs in nothing but its case; else ``text``."""
    kinds = (annotation, *get_args(annotation))
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    return next((word for word in words if word.casefold() == text.strip().casefold()), text)
