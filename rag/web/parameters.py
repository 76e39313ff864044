"""Decodes the parameters of headers, and the names of files in them, as programs really send them.

RFC 8187 and RFC 2231 encode a parameter (``filename*=UTF-8''%e2%82%ac``), and RFC 2231 cuts a long one into
sections (``filename*0=``, ``filename*1=``). RFC 2047 encodes words of mail, which many programs also put
into names of files (``=?utf-8?B?4oKs?=``). What comes out is a stranger's text: it is to be cleaned.
"""

import re
from binascii import Error as InvalidBase64
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from urllib.parse import unquote_to_bytes

from rag.web.charsets import codec_of

_SECTION = re.compile(r"(.*?)(?:\*([0-9]{1,3}))?(\*?)\Z", re.DOTALL)
_ENCODED_WORD = re.compile(
    r"=\?([A-Za-z0-9._:+-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([BbQq])\?([ -/0->@-~]{0,4000})\?="
)


def combined(parameters: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Parameters by name, where sections are joined and extended values are UTF-8.

    ``parameters``: names in lower case, with their ``*``, and unquoted values. An extended value goes before
    a plain one, unless no text encoding has the name of its charset; of equal names the first counts.
    """
    plain: dict[str, bytes] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for whole, value in parameters:
        found = _SECTION.match(whole)
        name, number, star = found.groups() if found else (whole, None, "")
        if number is None and not star:
            plain.setdefault(name, value)
        else:
            sections.setdefault(name, {}).setdefault(int(number or 0), (value, bool(star)))
    extended = {name: _joined(parts) for name, parts in sections.items()}
    return plain | {name: value for name, value in extended.items() if value is not None}


def _joined(parts: Mapping[int, tuple[bytes, bool]]) -> bytes | None:
    """The sections from 0 on as UTF-8; None without the first, and for an unknown charset."""
    if 0 not in parts:
        return None
    value, is_extended = parts[0]
    charset, _, rest = value.partition(b"'") if is_extended else (b"utf-8", b"", b"'" + value)
    codec = codec_of(charset.decode("latin-1"))
    if codec is None or b"'" not in rest:
        return None
    ordered = [(rest.partition(b"'")[2], is_extended)]
    while len(ordered) in parts:
        ordered.append(parts[len(ordered)])
    data = b"".join(unquote_to_bytes(part) if encoded else part for part, encoded in ordered)
    return data.decode(codec, "replace").encode()


def decoded_words(text: str) -> str:
    """``text`` with its encoded words decoded; those of an unknown charset stay as they are."""
    runs: list[tuple[str, str | bytes]] = []
    end = 0
    for word in _ENCODED_WORD.finditer(text):
        codec, data = codec_of(word[1]), _bytes_of(word[2], word[3])
        if codec is None or data is None:
            continue
        between = text[end : word.start()]
        # Space between two encoded words is none (RFC 2047, 6.2).
        if between and not (runs and between.isspace()):
            runs.append(("", between))
        runs.append((codec, data))
        end = word.end()
    runs.append(("", text[end:]))
    # A character may begin in one word and end in the next.
    return "".join(_text(codec, group) for codec, group in groupby(runs, key=itemgetter(0)))


def _text(codec: str, runs: Iterable[tuple[str, str | bytes]]) -> str:
    pieces = [
        piece if isinstance(piece, bytes) else piece.encode(errors="surrogatepass") for _, piece in runs
    ]
    return b"".join(pieces).decode(codec or "utf-8", "replace" if codec else "surrogatepass")


def _bytes_of(encoding: str, content: str) -> bytes | None:
    if encoding in "Qq":
        return a2b_qp(content, header=True)
    try:
        return a2b_base64(content + "==")
    except InvalidBase64:
        return None
