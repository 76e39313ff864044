"""Reads files of questions with bounds. Every fault is a ConfigurationError that names the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import from_json

from rag.errors import ConfigurationError

MOST_BYTES = 512 << 20
"""Of one file, which is read as a whole."""

MOST_QUESTION = 4_000
"""Characters that the API takes."""

_BOM = b"\xef\xbb\xbf"
_FORMS = "docs/reference/cli.md shows the forms"

T = TypeVar("T")


def _check_encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return text


Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_check_encodable)
]
"""A text with at least one character that shows."""

Wording = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_QUESTION),
    AfterValidator(_check_encodable),
]
"""A question."""


def read_bytes(path: Path) -> bytes:
    """The file's content without a byte order mark."""
    if not path.is_file():
        raise ConfigurationError(f"{path} is not there, or is no ordinary file")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{path} is over {MOST_BYTES >> 20} MiB: split it")
    return content.removeprefix(_BOM)


def read_text(path: Path) -> str:
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: is not UTF-8: save the file as UTF-8") from error


def read_json(path: Path) -> object:
    try:
        return from_json(read_bytes(path))
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON ({error}): {_FORMS}") from error


def read_json_lines(path: Path, form: TypeAdapter[T]) -> Iterator[T]:
    """An object a line; empty lines are passed over."""
    for number, line in enumerate(read_bytes(path).splitlines(), 1):
        if line.strip():
            try:
                yield form.validate_json(line)
            except ValidationError as error:
                raise wrong_form(f"{path}, line {number}", error) from error


def validated(path: Path, form: TypeAdapter[T], content: object) -> T:
    """``content`` of ``path`` in this form."""
    try:
        return form.validate_python(content)
    except ValidationError as error:
        raise wrong_form(str(path), error) from error


def wrong_form(subject: str, error: ValidationError) -> ConfigurationError:
    """The first fault, with its place within the file."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return ConfigurationError(
        f"{subject} does not have the form of questions with known answers "
        f"({place + ': ' if place else ''}{first['msg']}): {_FORMS}"
    )


def other_form(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} does not have any form of questions with known answers: {_FORMS}")
