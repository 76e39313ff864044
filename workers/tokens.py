"""How many tokens a text may be, for models whose tokenizer is elsewhere."""

_BYTES_A_TOKEN = 3


def estimated(text: str) -> int:
    """Tokens of ``text`` by a cautious guess: three bytes of UTF-8 each, and every digit one of its own.

    English, code and Cyrillic come to fewer by all usual tokenizers, Chinese and Japanese to about as
    many; rare scripts and emoji may come to more.
    """
    digits = sum(map(str.isdigit, text))
    size = len(text.encode("utf-8", "replace"))
    return -(-(size - digits) // _BYTES_A_TOKEN) + digits
