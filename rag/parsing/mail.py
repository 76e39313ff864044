"""Reads mail (RFC 5322) by the standard library: its main headers and its readable body."""

from collections.abc import Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from itertools import islice
from typing import cast

from rag.errors import UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure, webpage

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST_HEADER = 2_000
_LONGEST_OF_A_PART = 500
_MOST_ATTACHMENTS = 100


class _BoundedHeaders(EmailPolicy):
    """Cuts long headers, since the library takes quadratic time to understand one."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(list(sourcelines))
        of_a_part = name.lower().startswith("content-")
        return name, str(value)[: _LONGEST_OF_A_PART if of_a_part else _LONGEST_HEADER]


def mail(data: bytes) -> ParsedDocument:
    """Headers, body (plain text before HTML) and the names of attachments, which are not read."""
    try:
        message = cast("EmailMessage", message_from_bytes(data, policy=_BoundedHeaders()))
        head = "\n".join(f"{name}: {message[name]}" for name in _HEADERS if message[name])
        if not head:
            raise UnreadableDocument("The file is no mail: it names no sender, receiver, date or subject.")
        attachments = islice(message.iter_attachments(), _MOST_ATTACHMENTS)
        names = [name for each in attachments if (name := each.get_filename())]
        attached = f"Attachments (not read): {', '.join(names)}" if names else ""
        part = message.get_body(preferencelist=("plain", "html"))
        body = part.get_content() if part else ""
        if part is None or not isinstance(body, str):
            body = ""
        elif part.get_content_subtype() == "html":
            body = webpage.from_html(body).text
        # A mail that says nothing counts as empty, although it has a sender.
        shown = filter(None, (head, body, attached)) if body.strip() or message["Subject"] else ()
        return structure.from_markdown("\n\n".join(shown), str(message["Subject"] or ""))
    except (MessageError, LookupError, ValueError, RecursionError) as error:
        raise UnreadableDocument(f"The mail cannot be read: {error}.") from error
