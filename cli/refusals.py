"""Why a document was not taken, in the command line's words, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.errors import AegisError, Transient
from rag.media import readable_extensions


@dataclass(frozen=True, slots=True)
class Words:
    """``title`` begins no sentence; ``advice``: what the reader can do, "" where there is nothing."""

    title: str
    advice: str = ""


_AGAIN = "the same command again tries once more"
_LATER = "run the same command again later: it goes on where this one ended"

_BY_CODE: Mapping[str, Words] = {
    "unsupported-media": Words(
        "no parser reads this type", f"convert to a type that is read: {readable_extensions()}"
    ),
    "document-too-large": Words("too large", "split, or have the limit raised where the API runs"),
    "unreadable-document": Words(
        "broken, locked or mislabelled", "open and save anew in a program for that type, without a password"
    ),
    "empty-document": Words("without text", "pictures of text need text recognition (OCR) first"),
    "invalid-request": Words("not as the API wants it"),
    "conflict": Words("in conflict with what is there"),
    "overloaded": Words("the API has no room", _LATER),
    "unavailable": Words("a part of the service is away", f"`aegis doctor` says which; {_LATER}"),
    "timed-out": Words("not done in time", _AGAIN),
    "out-of-memory": Words("too much for the memory", "split, or have the limit raised where workers run"),
    "cancelled": Words("cancelled", _AGAIN),
    "same-id": Words("another file has this id", "name a folder above both"),
    "unread": Words("not readable on this machine", "see that you may read it"),
    "empty": Words("empty"),
    "unforeseen": Words("failed on this machine in a way that nobody foresaw", _AGAIN),
}


def words_for(code: str) -> Words:
    """Of a problem's code, or of what this machine found out itself."""
    return _BY_CODE.get(code) or Words("failed", f"{_AGAIN}; `aegis dlq` lists what was given up")


def said(error: AegisError) -> str:
    """What ended everything, in one line, with what to do."""
    told, words = str(error) or error.title, _BY_CODE.get(error.code)
    if words is None or not words.advice or _is_nobody(error):
        return told
    return f"{told}. {words.advice[0].upper()}{words.advice[1:]}"


def _is_nobody(error: AegisError) -> bool:
    """Whether nobody answered, of which the message says all; a part of a service asks to come back."""
    return isinstance(error, Transient) and error.retry_after is None
