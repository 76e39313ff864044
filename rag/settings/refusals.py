"""What pydantic finds wrong with the settings, in our words: a line for each."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from rag.settings.files import secrets_of
from rag.settings.wording import is_short, shown, wanted

_LONGEST_SHORT = 20

_FOLLOWS = "default_factory_not_called"
"""The type of a fault: a default that cannot be known, since the setting that it follows is wrong."""


def wrong_fields(error: ValidationError) -> set[str]:
    """The settings whose own values are wrong, apart from any other."""
    return {str(each["loc"][0]) for each in error.errors() if each["loc"]}


def field_lines(
    settings: type[BaseSettings], error: ValidationError, sources: Mapping[str, str]
) -> Iterator[str]:
    """A line for each value that is wrong by itself: name, value and what would be right.

    ``sources``: of fields that a file gives, its name.
    """
    secrets, faults = secrets_of(settings), error.errors(include_url=False)
    of_entries = {fault["loc"][0] for fault in faults if len(fault["loc"]) > 1}
    for fault in faults:
        follows = fault["type"] == _FOLLOWS or (len(fault["loc"]) == 1 and fault["loc"][0] in of_entries)
        if fault["loc"] and not follows:
            yield _line(settings, fault, sources, secrets)


def misfit_lines(error: ValidationError) -> list[str]:
    """The lines about settings that do not fit together."""
    return [
        line
        for fault in error.errors(include_url=False, include_input=False)
        if not fault["loc"]
        for line in message_of(fault).splitlines()
    ]


def message_of(fault: ErrorDetails) -> str:
    return fault["msg"].removeprefix("Value error, ")


def _line(
    settings: type[BaseSettings], fault: ErrorDetails, sources: Mapping[str, str], secrets: Set[str]
) -> str:
    name, *inner = fault["loc"]
    place = _place(str(name), sources)
    field = settings.model_fields[str(name)]
    value = "its value" if name in secrets else _shown(field, fault["input"])
    if fault["type"] == "value_error":
        message = message_of(fault)
        return f"{place}: {message if name in secrets or value in message else f'{value}: {message}'}"
    return f"{place}: {value} is not {wanted(field, tuple(inner))}"


def _shown(field: FieldInfo, value: object) -> str:
    """What is too long to be meant may be a secret that was put in the wrong place."""
    if is_short(field) and len(str(value)) > _LONGEST_SHORT:
        return f"a value of {len(str(value))} characters"
    return shown(value)


def _place(name: str, sources: Mapping[str, str]) -> str:
    source: Any = sources.get(name)
    return f"{name.upper()} in {source}" if source else name.upper()
