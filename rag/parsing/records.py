"""Reads JSON and JSON Lines. Each value gets a line of its own, after the keys that lead to it."""

import json
import sys
from collections.abc import Iterator

from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded

_BETWEEN_KEYS = " › "
_TITLE_KEYS = ("title", "name", "subject")
_SHORT_LIST = 200

Value = dict[str, "Value"] | list["Value"] | str | bool | None


def json_document(data: bytes, *, longest: int = sys.maxsize) -> ParsedDocument:
    """The lines of one value. A file with one value on each line is read as JSON Lines, any other as text.

    DocumentTooLarge when the lines have over ``longest`` characters: each repeats the keys that lead to it.
    """
    content = decoded(data)
    try:
        return _document(_loaded(content), longest)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data") and "\n" in content.strip():
            return json_lines(data, longest=longest)
        # With comments, or cut off: people wrote it, so people can read it.
        return structure.from_text(content)


def json_lines(data: bytes, *, longest: int = sys.maxsize) -> ParsedDocument:
    """The lines of one value after the other. A line that is no JSON stays as it stands.

    DocumentTooLarge as for :func:`json_document`.
    """
    records: list[Value] = []
    for line in filter(str.strip, decoded(data).splitlines()):
        try:
            records.append(_loaded(line))
        except json.JSONDecodeError:
            records.append(line)
    return _document(records, longest)


def _loaded(content: str) -> Value:
    try:  # as text, numbers keep their spelling
        value: Value = json.loads(content, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as error:
        raise UnreadableDocument("The JSON is nested too deeply to be read.") from error
    return value


def _document(value: Value, longest: int) -> ParsedDocument:
    fields = value if isinstance(value, dict) else {}
    title = next((fields[key] for key in _TITLE_KEYS if key in fields), None)
    try:
        content = "\n".join(_bounded(_lines(value, ""), longest))
    except RecursionError as error:
        raise UnreadableDocument("The JSON is nested too deeply to be read.") from error
    return structure.from_text(content, title if isinstance(title, str) else None)


def _bounded(lines: Iterator[str], longest: int) -> Iterator[str]:
    length = 0
    for line in lines:
        length += len(line) + 1
        if length > longest:
            raise DocumentTooLarge(f"The lines of the JSON have more than {longest} characters.")
        yield line


def _lines(value: Value, path: str) -> Iterator[str]:
    """``path: value`` lines. A blank line stands between the records of a list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}{_BETWEEN_KEYS}{key}" if path else key)
    elif isinstance(value, list):
        yield from _list_lines(value, path)
    elif (text := _as_text(value)) is not None:
        yield f"{path}: {text}" if path else text


def _list_lines(values: list[Value], path: str) -> Iterator[str]:
    """One line for a short list of plain values, else the lines of each."""
    plain = [_as_text(value) for value in values if not isinstance(value, dict | list)]
    line = ", ".join(text for text in plain if text is not None)
    if len(plain) == len(values) and len(line) <= _SHORT_LIST:
        if line:
            yield f"{path}: {line}" if path else line
        return
    for value in values:
        yield ""
        yield from _lines(value, path)
    yield ""


def _as_text(value: Value) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else None
