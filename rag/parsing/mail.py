"""Reads mail (RFC 5322) by the standard library: its main headers and its readable parts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import cast

from rag.errors import UnreadableDocument
from rag.media import READABLE
from rag.model import Attachment, ParsedDocument, ReadingWarning
from rag.naming import plain_name
from rag.parsing import structure, webpage
from rag.parsing.charset_labels import codec_of
from rag.parsing.decoding import decoded, guess_about
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.recognition import Recognition
from rag.parsing.warnings import characters_guessed
from rag.parsing.wire import MOST_ATTACHMENTS
from rag.web.parameters import decoded_words

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST_HEADER = 2_000
_LONGEST_OF_A_PART = 500
_LONGEST_NAME = 200
_MOST_PARTS = 500
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?=[*?])")
_DEEPEST = 10
_EVENT = {
    "SUMMARY": "Event",
    "DTSTART": "Begins",
    "DTEND": "Ends",
    "LOCATION": "Location",
    "ORGANIZER": "Organizer",
    "DESCRIPTION": "Description",
}


class _BoundedHeaders(EmailPolicy):
    """Cuts long headers, since the library takes quadratic time to understand one."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(list(sourcelines))
        of_a_part = name.lower().startswith("content-")
        bounded = str(value)[: _LONGEST_OF_A_PART if of_a_part else _LONGEST_HEADER]
        return name, _ENCODED_WORD.sub(_with_codec, bounded if bounded.isascii() else _of_raw_bytes(bounded))


def _of_raw_bytes(header: str) -> str:
    """The header that has bytes beyond ASCII as they are; the library keeps each as a lone surrogate."""
    with suppress(UnicodeEncodeError):
        return decoded(header.encode("ascii", "surrogateescape"))
    return header


def _with_codec(word: re.Match[str]) -> str:
    """The beginning of an encoded word, with the character set that its declared one stands for."""
    return f"=?{codec_of(word[1]) or word[1]}"


def mail(data: bytes, recognition: Recognition | None = None) -> ParsedDocument:
    """Headers, every readable part and picture in order, and the names of :func:`attachments`."""
    try:
        message = _message(data)
        head = _headers(message)
        if not head:
            raise UnreadableDocument("The file is no mail: it names no sender, receiver, date or subject.")
        parts = list(cast("Iterator[EmailMessage]", message.walk()))
        shown = {f"{id(part)}": part for part in parts if _is_shown(part)}
        pictures = InnerPictures(lambda name: _bytes_of(shown[name]) if name in shown else b"", recognition)
        body = "\n\n".join(_texts(message, pictures, 0))
        names = [_file_name(part, number) for number, part in enumerate(_attachments(message), 1)]
        attached = f"Attachments: {', '.join(names)}" if names else ""
        # A mail that says nothing counts as empty, although it has a sender.
        says_something = body.strip() or message["Subject"] or names
        blocks = filter(None, (head, body, attached)) if says_something else ()
        document = structure.from_markdown("\n\n".join(blocks), str(message["Subject"] or ""))
        return pictures.read(replace(document, warnings=tuple(_warnings(parts))))
    except (MessageError, LookupError, ValueError, RecursionError) as error:
        raise UnreadableDocument(f"The mail cannot be read: {error}.") from error


def attachments(data: bytes) -> list[Attachment]:
    """The files in a mail and in the mails that it forwards, in order, MOST_ATTACHMENTS of them at most."""
    try:
        parts = enumerate(_attachments(_message(data)), 1)
        return [
            Attachment(_file_name(part, number), part.get_content_type(), _bytes_of(part))
            for number, part in parts
        ]
    except (MessageError, LookupError, ValueError, RecursionError) as error:
        raise UnreadableDocument(f"The attachments of the mail cannot be read: {error}.") from error


def _warnings(parts: Iterable[EmailMessage]) -> Iterator[ReadingWarning]:
    for part in parts:
        if _is_text(part):
            data, declared = _bytes_of(part), part.get_content_charset()
            if charset := guess_about(data, declared):
                yield characters_guessed(decoded(data, declared), charset, declared)


def _message(data: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(data, policy=_BoundedHeaders()))


def _headers(message: EmailMessage) -> str:
    return "\n".join(f"{name}: {message[name]}" for name in _HEADERS if message[name])


def _texts(part: EmailMessage, pictures: InnerPictures, depth: int) -> Iterator[str]:
    """The texts of the part and of the parts in it; of alternatives the richest."""
    kind = part.get_content_type()
    within = partial(_texts, pictures=pictures, depth=depth + 1)
    if depth > _DEEPEST:
        return
    if kind == "message/rfc822":
        for forwarded in _parts_of(part):
            yield from filter(None, (f"Forwarded message\n{_headers(forwarded)}", *within(forwarded)))
    elif kind == "multipart/alternative":
        yield max(
            ("\n\n".join(within(each)) for each in _parts_of(part)),
            key=_words,
            default="",
        )
    elif part.is_multipart():
        for each in _parts_of(part):
            yield from within(each)
    else:
        yield _text(part, kind) if _is_text(part) else pictures.mark(f"{id(part)}").strip()


def _is_text(part: EmailMessage) -> bool:
    return part.get_content_maintype() == "text" and not part.is_attachment()


def _parts_of(part: EmailMessage) -> list[EmailMessage]:
    payload = part.get_payload()
    parts = payload if isinstance(payload, list) else []
    return [cast("EmailMessage", each) for each in parts[:_MOST_PARTS]]


def _words(text: str) -> int:
    return len(text.split())


def _text(part: EmailMessage, kind: str) -> str:
    content = decoded(_bytes_of(part), part.get_content_charset())
    if kind == "text/html":
        return webpage.from_html(content).text
    return _event(content) if kind == "text/calendar" else content


def _event(calendar: str) -> str:
    """The lines of an invitation that people read (RFC 5545)."""
    unfolded = calendar.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    lines = []
    for line in unfolded.split("\n"):
        name, _, value = line.partition(":")
        if label := _EVENT.get(name.partition(";")[0]):
            words = value.replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";")
            lines.append(f"{label}: {words.removeprefix('mailto:')}")
    return "\n".join(lines)


def _attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    parts = cast("Iterator[EmailMessage]", message.walk())
    return islice((part for part in parts if _is_attached(part)), MOST_ATTACHMENTS)


def _is_attached(part: EmailMessage) -> bool:
    if part.is_multipart() or _is_shown(part):
        return False
    return part.is_attachment() or part.get_content_maintype() != "text"


def _is_shown(part: EmailMessage) -> bool:
    """Whether it is a picture within the text, such as a logo or a signature."""
    return part.get_content_maintype() == "image" and not part.is_attachment()


def _file_name(part: EmailMessage, number: int) -> str:
    """The name that the part states, without folders; else one by its place in the mail."""
    stated = decoded_words(part.get_filename() or "").replace("\\", "/")
    name = plain_name(PurePosixPath(stated).name)
    if name.strip(" ."):
        suffix = PurePosixPath(name).suffix[-20:]
        return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - len(suffix)] + suffix
    endings = READABLE.get(part.get_content_type())
    return f"attachment-{number}{f'.{endings[0]}' if endings else ''}"


def _bytes_of(part: EmailMessage) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
