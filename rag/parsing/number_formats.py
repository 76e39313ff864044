"""Writes the values of a workbook's cells as their number formats show them.

Source: ECMA-376, part 1, 18.8.30 and 18.8.31. Dates are written by ISO 8601, whatever order their format has,
so that none can be misread. A format of a rare kind (fractions, digits with text between them) shows the
plain number.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

GENERAL = "General"
BUILT_IN = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "m/d/yy h:mm", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)",
    39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)", 41: "#,##0", 42: "$#,##0", 43: "#,##0.00",
    44: "$#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss", 48: "##0.0E+0", 49: "@",
    **dict.fromkeys((27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58), "yyyy-mm-dd"),
    **dict.fromkeys((32, 33, 34, 35, 55, 56), "h:mm:ss"),
}  # fmt: skip
"""Codes by number; those that depend on the reader's country are written by ISO 8601."""

_ANY = "@"
_GENERAL = re.compile(GENERAL, re.IGNORECASE)
_LONGEST_CODE = 255
_TOKEN = re.compile(
    r'"([^"]*)"|\\(.)|_.|\*.|\[\$([^\]-]*)[^\]]*\]|\[([hms]{1,9})\]|\[[^\]]*\]|(AM/PM|A/P)|([\s\S])',
    re.IGNORECASE,
)
_PLACEHOLDERS = "0#?"
_MOST_DECIMALS = 12
_DIGITS = ".15g"  # as many as a workbook's numbers have
_MOST_DIGITS = 15
_LONGEST_PLAIN = 20
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - cells have no time zone
_LAST_DAY = 2_958_465  # 9999-12-31
_FALSE_LEAP_DAY = 60  # 1900-02-29, which the format counts


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a code. ``form``: its placeholders, without literals; ``date``: its letters of dates.

    ``broken``: whether no plain number has this form. ``elapsed``: letters of a duration.
    """

    before: str
    form: str
    after: str
    broken: bool
    date: str
    elapsed: str


def shown(value: str, code: str, *, since_1904: bool = False) -> str:
    """The number ``value``, as a workbook stores it, in the form of ``code``.

    ``since_1904``: whether days count from 1904. What is no number is returned as it is.
    """
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        return plain(value) if number.is_finite() else value
    section, number = _section_of(number, code[:_LONGEST_CODE])
    if section.date:
        return _date(number, section, since_1904) or plain(value)
    if section.form == _ANY:
        return f"{section.before}{plain(value)}{section.after}".strip()
    if section.broken or not section.form:
        return (section.before.strip() if not section.form else "") or plain(value)
    return _number(number, section)


def _section_of(number: Decimal, code: str) -> tuple[_Section, Decimal]:
    """The part of the code for numbers above zero, below or zero, and the number that it shows."""
    sections = _sections(code)
    if number < 0 and len(sections) > 1:
        return sections[1], -number
    return sections[2 if number == 0 and len(sections) > 2 else 0], number


def plain(value: str) -> str:
    """The number without the digits that binary arithmetic adds: 4.199999999999999 is 4.2."""
    if value.lstrip("-").isdecimal():
        return value
    rounded = Decimal(format(float(value), _DIGITS))
    if abs(rounded.adjusted()) > _LONGEST_PLAIN:
        return str(rounded)
    written = format(rounded, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    return tuple(map(_section, _parts(_GENERAL.sub(_ANY, code) or _ANY)))


def _parts(code: str) -> list[list[re.Match[str]]]:
    """The tokens of the code's sections, which semicolons part."""
    parts: list[list[re.Match[str]]] = [[]]
    for token in _TOKEN.finditer(code):
        if token[6] == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts[:4]


def _section(tokens: list[re.Match[str]]) -> _Section:
    before = form = after = date = elapsed = ""
    broken = False
    for token in tokens:
        literal = token[1] or token[2] or token[3] or ""
        letter = token[6] or ""
        if token[4]:
            elapsed, date = elapsed + token[4].lower()[0], date + token[4].lower()[0]
        elif token[5] or letter.lower() in set("ymdhs"):
            date += (token[5] or letter).lower()[0]
        elif letter in set("0#?.,%/@eE") and letter:
            broken = broken or bool(after.strip() and letter in _PLACEHOLDERS)
            form += letter
        elif letter in set("+-") and form[-1:] in set("eE"):
            form += letter
        else:
            # what is only padding or a colour has no literal
            before, after = (
                (before, after + (literal or letter)) if form else (before + (literal or letter), "")
            )
    broken = broken or "/" in form or (_ANY in form and form != _ANY)
    return _Section(before, form, after, broken, date, elapsed)


def _number(number: Decimal, section: _Section) -> str:
    form = section.form
    rounded = Decimal(format(float(number), _DIGITS))
    rounded = rounded.scaleb(2 * form.count("%") - 3 * (len(form) - len(form.rstrip(",%")) - form.count("%")))
    if "E" in form.upper():
        decimals = _decimals(form.upper().partition("E")[0])
        return f"{section.before}{rounded:.{decimals[1]}E}{section.after}".strip()
    least, most = _decimals(form)
    rounded = rounded.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP)
    digits = format(abs(rounded), ",f" if "," in form.rstrip(",%") else "f")
    whole, _, rest = digits.partition(".")
    rest = rest[:least] + rest[least:].rstrip("0")
    whole = whole.rjust(form.partition(".")[0].count("0"), "0")
    sign = "-" if rounded < 0 else ""
    percent = "%" if "%" in form else ""
    return (
        f"{sign}{section.before.lstrip()}{whole}{'.' if rest else ''}{rest}{percent}{section.after}".strip()
    )


def _decimals(form: str) -> tuple[int, int]:
    """The fewest and the most decimals."""
    places = [letter for letter in form.partition(".")[2] if letter in _PLACEHOLDERS][:_MOST_DECIMALS]
    return places.count("0"), len(places)


def _date(number: Decimal, section: _Section, since_1904: bool) -> str | None:
    """The date, the time of day, both, or a duration; None for what is none of them."""
    seconds = int((number * 86_400).quantize(Decimal(1), ROUND_HALF_UP))
    letters = section.date
    if section.elapsed:
        hours, rest = divmod(abs(seconds), 3_600)
        sign = "-" if seconds < 0 else ""
        return f"{sign}{hours}:{rest // 60:02}" + (f":{rest % 60:02}" if "s" in letters else "")
    if not 0 <= number <= _LAST_DAY:
        return None
    epoch = _EPOCH_1904 if since_1904 else _EPOCH
    early = not since_1904 and 0 < seconds // 86_400 < _FALSE_LEAP_DAY
    moment = epoch + timedelta(days=int(early), seconds=seconds)
    has_time = "h" in letters or "s" in letters
    clock = f"{moment.hour}:{moment:%M}" + (f":{moment:%S}" if "s" in letters else "")
    if "d" not in letters and "y" not in letters and has_time:
        return clock
    return f"{moment:%Y-%m-%d} {'0' * (moment.hour < 10)}{clock}" if has_time else f"{moment:%Y-%m-%d}"
