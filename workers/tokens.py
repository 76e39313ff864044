"""An estimate of a text's tokens, for models whose tokenizer is not here."""

_BYTES_A_TOKEN = 3


def estimated_tokens(text: str) -> int:
    """A cautious count: one token for three bytes of UTF-8, and one for each digit.

    The usual tokenizers make fewer of English, code and Cyrillic, about as many of Chinese and
    Japanese; of rare scripts and emoji they may make more.
    """
    digits = sum(map(str.isdigit, text))
    size = len(text.encode("utf-8", "replace"))
    return -(-(size - digits) // _BYTES_A_TOKEN) + digits
