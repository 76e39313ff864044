"""Finds numbers, codes, versions and dates in a text, and gives each of them normal forms.

Two texts that mean the same identifier share a form, however they write it: ``v3.6.4`` and ``3.6.4``,
``16,411`` and ``16411``, ``AB-12`` and ``ab12``, ``5 March 2024`` and ``05.03.2024``. Forms are lower case.
Every function reads a text that ``rag.text.normalising.folded`` has made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_LETTERS = "A-Za-z\u00df-\u024f\u0370-\u03ff\u0400-\u04ff"
_TOKEN = re.compile(
    # a word that has a digit, or whose parts a dot or an underscore joins
    rf"(?<![{_LETTERS}0-9])(?=[{_LETTERS}]*+(?:[-/:]?[0-9]|[._][{_LETTERS}0-9]))"
    rf"[{_LETTERS}0-9]++(?:[-._/:,'\u2019][{_LETTERS}0-9]++)*+"
)
_LONGEST = 80  # characters
_ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\Z")
_NUMERIC_DATE = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})\Z")
_GROUPED = re.compile(r"\d{1,3}(?:([,.'\u2019])\d{3})(?:\1\d{3})*+(?:[.,]\d++)?\Z")
_GROUPS = re.compile("[,.'\u2019](?=\\d{3}(?:\\D|\\Z))")
_DECIMAL = re.compile(r"\d++[.,]\d++\Z")
_VERSION = re.compile(r"v\.?(\d++(?:[.]\d++)*+)\Z")
_INITIALS = re.compile(rf"(?:[{_LETTERS}]\.)++[{_LETTERS}]\Z")
_HYPHEN = re.compile(rf"(?<=[{_LETTERS}])[-_](?=[0-9])|(?<=[0-9])[-_](?=[{_LETTERS}])")
_SEPARATOR = re.compile("[-._/:,'\u2019]")
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|o)?\Z")
_ORDINAL_WORD = re.compile(r"\d++(?:st|nd|rd|th|er|e|o|a)\Z", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d\Z")
_YEARS = re.compile(r"((?:1[5-9]|20)\d\d)[-/]((?:1[5-9]|20)\d\d)\Z")
_BETWEEN = frozenset({"of", "de", "del", "the"})  # "5th of March", "5 de marzo de 2024"

_MONTHS: Mapping[str, int] = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar marz april mai juni juli august september oktober november dezember",
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik",
    )
    for number, name in enumerate(names.split(), 1)
} | {"sept": 9}


class Kind(StrEnum):
    """What an identifier is."""

    NUMBER = "number"
    YEAR = "year"
    DATE = "date"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Identifier:
    """``written``: as the text has it. ``forms``: its normal forms, the most exact first.

    ``wider``: forms of what it belongs to, as the version 3.6 of 3.6.4 and the month of a day.
    """

    kind: Kind
    written: str
    forms: tuple[str, ...]
    wider: tuple[str, ...] = ()


def named_in(text: str, words: Sequence[str]) -> list[Identifier]:
    """All identifiers of a folded text, whose words in small letters are given: a date is only a date."""
    dates = list(written_dates(words))
    parts = {part for date in dates for part in date.written.split()}
    return dates + [each for each in identifiers(text) if each.written not in parts]


def identifiers(text: str) -> Iterator[Identifier]:
    """The numbers, codes, versions and numeric dates of a folded text, in order."""
    for found in _TOKEN.finditer(text):
        written = found.group()
        if years := _YEARS.match(written):
            yield from (Identifier(Kind.YEAR, year, (year,)) for year in years.groups())
        elif len(written) <= _LONGEST and not _ORDINAL_WORD.match(written):
            yield _identifier(written)


def written_dates(words: Sequence[str]) -> Iterator[Identifier]:
    """The dates that name their month, from the words of a folded text in lower case."""
    for position, word in enumerate(words):
        if word not in _MONTHS:
            continue
        before = [each for each in words[max(0, position - 2) : position] if each not in _BETWEEN]
        after = [each for each in words[position + 1 : position + 5] if each not in _BETWEEN]
        day = _day(before[-1]) if before else None
        if day is None and after and (day := _day(after[0])):
            after = after[1:]
        year = after[0] if after and _YEAR.match(after[0]) else None
        if day or year:
            written = (each for each in (word, str(day) if day else None, year) if each)
            yield _date(" ".join(written), year, _MONTHS[word], day)


def _day(word: str) -> int | None:
    found = _ORDINAL.match(word)
    return int(found.group(1)) if found and 1 <= int(found.group(1)) <= 31 else None


def _date(written: str, year: str | None, month: int, day: int | None) -> Identifier:
    of_month = (f"{year}-{month:02}",) if year else ()
    if day is None:
        return Identifier(Kind.DATE, written, of_month)
    of_year = (f"--{month:02}-{day:02}",)
    if not year:
        return Identifier(Kind.DATE, written, of_year)
    return Identifier(Kind.DATE, written, (f"{year}-{month:02}-{day:02}",), of_month + of_year)


def _identifier(written: str) -> Identifier:
    token = written.lower()
    if token.isdigit():
        kind = Kind.YEAR if _YEAR.match(token) else Kind.NUMBER
        return Identifier(kind, written, (token,))
    return _numeric_date(token, written) or _number(token, written) or _code(token, written)


def _numeric_date(token: str, written: str) -> Identifier | None:
    if found := _ISO_DATE.match(token):
        year, month, day = found.groups()
        return _date(written, year, int(month), int(day)) if _is_day(int(month), int(day)) else None
    if not (found := _NUMERIC_DATE.match(token)):
        return None
    first, separator, second, year = found.groups()
    ways = [(int(second), int(first)), (int(first), int(second))]
    # with a slash or a hyphen it may be month and day; with dots it never is
    possible = [way for way in ways[: 1 if separator == "." else 2] if _is_day(*way)]
    if not possible:
        return None
    dates = [_date(written, year, *way) for way in dict.fromkeys(possible)]
    wider = dict.fromkeys(form for date in dates for form in date.wider)
    return Identifier(Kind.DATE, written, tuple(date.forms[0] for date in dates), tuple(wider))


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _number(token: str, written: str) -> Identifier | None:
    """16,411 and 16.411 may be grouped or decimal: both forms count."""
    forms = []
    if _GROUPED.match(token):
        forms.append(_GROUPS.sub("", token).replace(",", "."))
    if _DECIMAL.match(token):
        forms.append(token.replace(",", "."))
    return Identifier(Kind.NUMBER, written, tuple(dict.fromkeys(forms))) if forms else None


def _code(token: str, written: str) -> Identifier:
    if _INITIALS.match(token):  # U.S. is US
        return Identifier(Kind.CODE, written, (written.replace(".", ""),))
    version = _VERSION.match(token)
    form = version.group(1) if version else _HYPHEN.sub("", token)
    starts = [form[: found.start()] for found in _SEPARATOR.finditer(form)]
    # a start that is a mere word or number is there as a word already
    wider = [start for start in starts if not start.isalpha() and not start.isdigit()]
    return Identifier(Kind.CODE, written, (form,), tuple(wider))
