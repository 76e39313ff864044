"""Finds the character set of text that states none and is no UTF-8, by chardet.

Windows-1252 is the usual case. A page of English with one degree sign gives chardet too little to go by, so
Windows-1252 is taken where its reading of the bytes looks like Western text, unless chardet finds another
set clearly more probable.
"""

import re

import chardet

WESTERN = "cp1252"

_SETS = (
    "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
    "cp1258", "cp874", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9",
    "iso8859-15", "koi8-r", "koi8-u", "cp437", "cp850", "cp852", "cp866", "mac-roman", "mac-cyrillic", "big5",
    "gb18030", "cp932", "shift_jis_2004", "euc_jis_2004", "cp949",
)  # fmt: skip
_OF_SEVERAL_BYTES = frozenset(
    {
        "utf-16-le",
        "utf-16-be",
        "big5",
        "gb18030",
        "cp932",
        "shift_jis_2004",
        "euc_jis_2004",
        "euc-jp",
        "cp949",
    }
)
_SAMPLE = 1 << 16  # bytes
_AS_PROBABLE = 0.95
"""Part of the best set's probability that Windows-1252 needs: less gives way for Polish and Turkish."""

_ACCENTED_SHARE = 0.35
"""Of a Western text's letters, at most: French has 5 %. Russian read as Windows-1252 has nearly all."""

_FEW = 2
"""Accented letters that tell nothing about the language."""

_UTF8 = "utf-8"
_WHOLE_TO_BROKEN = 10
_ACCENTED = re.compile("[^\x00-\x7f]")
_UNASSIGNED = re.compile("[\x80-\x9f\ufffd]")
_BEYOND_ASCII = bytes(range(0x80, 0x100))
_WITHIN_WORDS = "’‘·"


def charset_of(data: bytes) -> str:
    """The name of the codec by which ``data`` is probably written."""
    sample = data[:_SAMPLE]
    ranked = chardet.detect_all(sample, ignore_threshold=True, include_encodings=_SETS)
    best, western = ranked[0], sample.decode(WESTERN, "replace")
    if best["encoding"] is None:
        return WESTERN
    if _looks_western(western):
        probability = {each["encoding"]: each["confidence"] for each in ranked}
        accented = sum(map(str.isalpha, _ACCENTED.findall(western)))
        if accented <= _FEW or probability.get("Windows-1252", 0.0) >= _AS_PROBABLE * best["confidence"]:
            return WESTERN
    return best["encoding"]


def may_be_western(data: bytes) -> bool:
    """Whether ``data`` reads like Western text in Windows-1252."""
    return _looks_western(data[:_SAMPLE].decode(WESTERN, "replace"))


def warm() -> None:
    """Load what chardet loads at its first call: later, a confined process can open no file."""
    charset_of("Größe".encode(WESTERN))


def decode_by_guess(data: bytes) -> str:
    """The text of ``data``, which is no UTF-8 as a whole, by :func:`guessed_charset`.

    Logs and exports that several programs wrote to have lines of two character sets. So each line that is
    UTF-8 is read as such.
    """
    charset = guessed_charset(data)
    if charset == _UTF8:
        return data.decode(_UTF8, "replace")
    if charset.lower() in _OF_SEVERAL_BYTES:  # two bytes of Chinese are UTF-8 by chance now and then
        return data.decode(charset, "replace")
    lines = data.split(b"\n")
    return "\n".join(line.decode(_UTF8 if _is_utf8(line) else charset, "replace") for line in lines)


def guessed_charset(data: bytes) -> str:
    """The codec of ``data``, or of those lines that are no UTF-8 where others are."""
    if _is_utf8(data):
        return _UTF8
    charset = charset_of(data)
    if charset.lower() in _OF_SEVERAL_BYTES:
        return charset
    others = [line for line in data.split(b"\n") if not _is_utf8(line)]
    rest = b"\n".join(others)
    # Only lines of UTF-8 beyond ASCII mislead the guess about the whole.
    return charset_of(rest) if _accents_of(rest) < _accents_of(data) else charset


def _accents_of(data: bytes) -> int:
    return len(data) - len(data.translate(None, _BEYOND_ASCII))


def _is_utf8(line: bytes) -> bool:
    """Whether it is UTF-8 but for some broken bytes: text of another set breaks it at nearly every accent."""
    text = line.decode(_UTF8, "replace")
    lost = text.count("\ufffd")
    return len(_ACCENTED.findall(text)) > _WHOLE_TO_BROKEN * lost or not lost


def _looks_western(text: str) -> bool:
    """Whether accented letters and symbols stand where Western text has them.

    ``text``: decoded as Windows-1252.
    """
    if _UNASSIGNED.search(text):
        return False
    letters = sum(map(str.isalpha, text))
    accented = 0
    for match in _ACCENTED.finditer(text):
        start, end, character = match.start(), match.end(), match[0]
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if character.isalpha():
            accented += 1
            if character.isupper() and before.islower():
                return False
        elif before.isalpha() and after.isalpha() and character not in _WITHIN_WORDS:
            return False
    return accented <= _ACCENTED_SHARE * letters
