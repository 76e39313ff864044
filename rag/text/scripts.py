"""Tells the scripts of a text, so that a model judges only what it can read."""

import unicodedata

_SAMPLE = 400  # characters


def latin_share(text: str) -> float:
    """The share of Latin letters among the letters of the text's beginning, in [0, 1]; 1 without a letter."""
    letters = [character for character in text[:_SAMPLE] if character.isalpha()]
    if not letters:
        return 1.0
    latin = sum(c.isascii() or unicodedata.name(c, "").startswith("LATIN") for c in letters)
    return latin / len(letters)
