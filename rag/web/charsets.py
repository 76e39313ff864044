"""Lists the encodings that a header may name: those of text whose decoding takes linear time.

Python registers other codecs beside them: punycode and idna take quadratic time, others unpack or escape.
"""

import codecs

_NAMES = {
    "utf-8": ("utf8", "unicode-1-1-utf-8", "us-ascii", "ascii"),
    "utf-16": ("ucs-2", "unicode"),
    "utf-16-le": ("utf-16le",),
    "utf-16-be": ("utf-16be",),
    "cp1250": ("windows-1250", "x-cp1250"),
    "cp1251": ("windows-1251", "x-cp1251"),
    # by https://encoding.spec.whatwg.org/#names-and-labels what is labelled Latin-1 is Windows-1252
    "cp1252": ("windows-1252", "x-cp1252", "iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1"),
    "cp1253": ("windows-1253",),
    "cp1254": ("windows-1254", "iso-8859-9", "iso8859-9", "latin5"),
    "cp1255": ("windows-1255",),
    "cp1256": ("windows-1256",),
    "cp1257": ("windows-1257",),
    "cp1258": ("windows-1258",),
    "cp866": ("ibm866", "866"),
    "cp874": ("windows-874", "iso-8859-11", "tis-620"),
    "koi8-r": ("koi8", "koi"),
    "koi8-u": ("koi8-ru",),
    "mac-roman": ("macintosh", "mac", "x-mac-roman"),
    "mac-cyrillic": ("x-mac-cyrillic", "x-mac-ukrainian"),
    "gb18030": ("gbk", "gb2312", "x-gbk", "cp936", "chinese"),
    "big5hkscs": ("big5", "big5-hkscs", "cn-big5", "x-x-big5"),
    "euc-jp": ("x-euc-jp",),
    "iso-2022-jp": ("csiso2022jp",),
    "cp932": ("shift_jis", "shift-jis", "sjis", "windows-31j", "x-sjis", "ms932"),
    "cp949": ("euc-kr", "ks_c_5601-1987", "windows-949", "korean"),
    **{f"iso8859-{part}": (f"iso-8859-{part}",) for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
}
_CODECS = {label: name for name, labels in _NAMES.items() for label in (name, *labels)}
_PIECE = 1 << 16


def codec_of(label: str) -> str | None:
    """Python's name of a text encoding; None for anything else."""
    return _CODECS.get(label.strip().lower())


def marked(data: bytearray, label: str | None) -> bytes | bytearray:
    """The text as UTF-8 with a byte order mark, which parsers believe before anything else.

    Unchanged where ``label`` names UTF-8 or no text encoding, and where the text is not in that encoding.
    """
    codec = codec_of(label or "")
    if codec in (None, "utf-8"):
        return data
    decoder, text = codecs.getincrementaldecoder(codec)(), bytearray(codecs.BOM_UTF8)
    try:
        for start in range(0, len(data), _PIECE):
            text += decoder.decode(data[start : start + _PIECE]).encode()
        text += decoder.decode(b"", final=True).encode()
    except UnicodeError:
        return data
    return text


def load() -> None:
    """Load every codec, for a process that may read no files later."""
    for name in _NAMES:
        codecs.lookup(name)
