"""What the names of character sets mean in practice: programs write more than the declared sets have.

Source: WHATWG Encoding, 4.2. A page of "iso-8859-1" has the quotes of Windows-1252, one of "gb2312" has
characters of GBK.
"""

import codecs
from collections.abc import Mapping

_WIDER: Mapping[str, str] = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_UNKNOWN_TO_PYTHON: Mapping[str, str] = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "cp-1252": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "x-big5": "big5hkscs",
    "unicode-1-1-utf-8": "utf-8",
}
_SEVERAL_BYTES = frozenset(
    {"big5hkscs", "gb18030", "cp932", "cp949", "euc_jp", "iso2022_jp", "iso2022_kr", "hz", "johab"}
)


def codec_of(label: str) -> str | None:
    """The name of Python's codec for the declared ``label``; None for an unknown one."""
    name = label.strip().lower()
    try:
        known = codecs.lookup(_UNKNOWN_TO_PYTHON.get(name, name)).name
    except (LookupError, ValueError):
        return None
    return _WIDER.get(known, known)


def has_one_byte(codec: str) -> bool:
    """Whether each character of the codec is one byte."""
    return codec not in _SEVERAL_BYTES and not codec.startswith(("utf", "iso2022", "euc", "shift"))
