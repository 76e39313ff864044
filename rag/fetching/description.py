"""Reads what an answer's headers say about the document: its name, type and encoding, and when to retry.

Headers are a stranger's text, so each is cut to a length before anything else looks at it.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from rag.fetching.urls import Target
from rag.media import HEAD_BYTES, READABLE, TEXT, media_type_of
from rag.web import charsets
from rag.web.parameters import combined, decoded_words
from rag.web.retry_after import seconds_to_wait

LONGEST_RETRY = 3_600.0
"""Seconds after which a server is asked again, whatever it demands."""

_LONGEST = 4_000
_LONGEST_NAME = 200
_LONGEST_SUFFIX = 20
_LONGEST_PHRASE = 80
_PARAMETER = re.compile(
    r';[ \t]*([A-Za-z0-9-]{1,32}[*0-9]{0,5})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))'
)
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Description:
    filename: str | None
    media_type: str
    data: bytes | bytearray


def described(target: Target, headers: dict[str, str], data: bytearray) -> Description:
    """``headers`` have lower-case names. UnsupportedMedia for a document that no parser reads."""
    _, stated = _value_and_parameters(headers.get("content-disposition", ""))
    given = clean_name(decoded_words(stated.get("filename", "")))
    filename = given or clean_name(unquote(PurePosixPath(target.path).name))
    declared, parameters = _value_and_parameters(headers.get("content-type", ""))
    # A server knows its types better than a path does: /README.md may well be a web page.
    trusted = declared in READABLE and declared != TEXT
    kind = media_type_of(None if trusted else filename, declared or TEXT, bytes(data[:HEAD_BYTES]))
    text = charsets.marked(data, parameters.get("charset")) if kind.startswith("text/") else data
    return Description(filename, kind, text)


def _value_and_parameters(header: str) -> tuple[str, dict[str, str]]:
    """A header's value, and its parameters by lower-case name (RFC 6266): see :func:`combined`."""
    header = header[:_LONGEST]
    found = combined(
        (name.lower(), (_QUOTED_PAIR.sub(r"\1", quoted) or token).encode(errors="replace"))
        for name, quoted, token in _PARAMETER.findall(header)
    )
    parameters = {name: value.decode() for name, value in found.items()}
    return header.partition(";")[0].strip().lower(), parameters


def clean_name(name: str) -> str | None:
    """The last part of a path, printable, of 200 characters at most; None when nothing is left."""
    last = PurePosixPath(name[-_LONGEST:].replace("\\", "/")).name
    last = clean(last, _LONGEST).strip(" .")
    if len(last) > _LONGEST_NAME:
        suffix = PurePosixPath(last).suffix[:_LONGEST_SUFFIX]
        last = last[: _LONGEST_NAME - len(suffix)] + suffix
    return last or None


def clean(text: str, most: int = _LONGEST_PHRASE) -> str:
    """``text`` without control and format characters, which a terminal would obey, in ``most`` characters."""
    return "".join(c for c in text[:most] if c.isprintable())


def retry_after(headers: dict[str, str]) -> float | None:
    """Seconds from now, an hour at most; None where the server names none."""
    seconds = seconds_to_wait(headers)
    return None if seconds is None else min(seconds, LONGEST_RETRY)
