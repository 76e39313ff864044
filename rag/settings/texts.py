"""Converts the text of a variable to a value, and a value back to text."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

NEVER = "never"
"""A schedule without any time."""

_SEPARATOR = re.compile(r"[,\s]+")
_LEVELS = {
    "CRIT": "CRITICAL", "ERR": "ERROR", "FATAL": "CRITICAL", "NOTICE": "INFO", "PANIC": "CRITICAL",
    "SILLY": "DEBUG", "TRACE": "DEBUG", "VERBOSE": "DEBUG", "WARN": "WARNING",
}  # fmt: skip
"""Other programs' names of log levels."""


def value_of(name: str, field: FieldInfo, text: str) -> object:
    """``text`` as pydantic takes it for the field: lists by commas or JSON, choices in any case.

    ValueError for text that begins like JSON and is not.
    """
    annotations = (field.annotation, *get_args(field.annotation))
    kinds = [get_origin(kind) or kind for kind in annotations]
    if name == "log_level":
        return _LEVELS.get(text.strip().upper(), text.strip().upper())
    if kinds[0] is tuple:
        if text.lstrip().startswith("["):
            return _parse_json(text, 'list, such as ["one", "two"]; one, two is the same')
        return [entry for entry in _SEPARATOR.split(text) if entry]
    if kinds[0] is dict and name != "api_keys":  # API_KEYS has a stricter parser
        return _parse_json(text, 'object, such as {"name": "value"}')
    words = [word for kind in annotations if get_origin(kind) is Literal for word in get_args(kind)]
    return next((word for word in words if word.casefold() == text.strip().casefold()), text)


def text_of(value: object) -> str:
    """The text of an environment variable for ``value``, which may be a secret."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    if isinstance(value, tuple | Mapping):
        return json.dumps(value, default=to_jsonable_python)
    return str(value)


def _parse_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"this is no JSON {what}") from None
