"""Writes numbers of lists as word processors do: "iv", "B", "07"."""

from collections.abc import Callable, Mapping

_LARGEST_ROMAN = 3999
_MOST_LETTERS = 9
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
    (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def ordinal(count: int, form: str) -> str:
    """``form``: by its name in DOCX, such as "lowerRoman". Any other writes digits."""
    return _FORMS.get(form, str)(count)


def _roman(count: int) -> str:
    if not 0 < count <= _LARGEST_ROMAN:
        return str(count)
    written = ""
    for value, letters in _ROMAN:
        times, count = divmod(count, value)
        written += letters * times
    return written


def _letters(count: int) -> str:
    """a to z, then aa, bb and so on."""
    if not 0 < count <= 26 * _MOST_LETTERS:
        return str(count)
    return chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)


_FORMS: Mapping[str, Callable[[int], str]] = {
    "upperRoman": _roman,
    "lowerRoman": lambda count: _roman(count).lower(),
    "upperLetter": lambda count: _letters(count).upper(),
    "lowerLetter": _letters,
    "decimalZero": lambda count: f"{count:02}",
    "none": lambda _: "",
    "bullet": lambda _: "",
}
