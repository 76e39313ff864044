"""Finds the head of a table: which of its first rows are titles, which name the columns, where data begin.

Nothing is invented. Where no row looks like names, cells stand without names, and rows of a label and its
value are pairs.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

_NUMBER = re.compile(r"[(+-]{0,2}[\u20ac$\u00a3\u00a5]?\s?\d[\d.,:/ \u00a0'%-]{0,40}[)\u20ac$\u00a3\u00a5%]?")
_DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}( \d{1,2}:\d{2}.{0,10})?")
_CODE = re.compile(r"(?=\S{0,40}\d)\S{1,40}")
_LONGEST_NAME = 120  # characters
_DEEPEST_PREAMBLE = 20  # rows

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Head:
    """``preamble``: rows of titles above the table; ``names``: of the columns, empty where there are none.

    ``first``: index of the first row of data. ``pairs``: each row is a label and its value.
    """

    preamble: int
    first: int
    names: tuple[str, ...] = ()
    pairs: bool = False


def head_of(rows: Sequence[Row]) -> Head:
    """The head of a table that begins with ``rows``: some thirty of them are enough."""
    preamble = _preamble(rows)
    body = rows[preamble:]
    if len(body) < 2:
        return Head(preamble, preamble)
    if _are_groups(body):
        return Head(preamble, preamble + 2, tuple(_joined(body[0], body[1])))
    if _are_pairs(body):
        return Head(preamble, preamble, pairs=True)
    if _are_names(body[0]):
        return Head(preamble, preamble + 1, tuple(body[0]))
    return Head(preamble, preamble)


def _preamble(rows: Sequence[Row]) -> int:
    """Number of leading rows that are shorter than the table below: titles, dates of an export."""
    widths = [_width(row) for row in rows]
    usual = max(Counter(widths).items(), key=lambda each: (each[1], each[0]), default=(0, 0))[0]
    if usual < 2:
        return 0
    count = next((n for n, width in enumerate(widths) if width > max(1, usual // 2)), 0)
    return count if count <= _DEEPEST_PREAMBLE else 0


def _width(row: Row) -> int:
    """Number of cells up to the last that is not empty."""
    return max((n for n, cell in enumerate(row, 1) if cell), default=0)


def _are_names(first: Row) -> bool:
    """Whether the row names the columns below: it is filled, short and without numbers, unless they count."""
    names = first[: _width(first)]
    # A corner above row labels may be empty, as in cross tables; any other gap is a row of data with a hole.
    if not any(names) or not all(names[1:]) or any(len(name) > _LONGEST_NAME for name in names):
        return False
    if not names[0] and len(names) < 3:
        return False
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    return not numbers or (_is_series(numbers) and not _NUMBER.fullmatch(names[0]))


def body_contrasts(rows: Sequence[Row]) -> bool:
    """Whether the first row has words in a column in which the next rows have numbers."""
    below = rows[1:4]
    return bool(below) and any(
        cell
        and not _NUMBER.fullmatch(cell)
        and all(column < len(row) and _NUMBER.fullmatch(row[column]) for row in below)
        for column, cell in enumerate(rows[0])
    )


def _is_series(numbers: Sequence[str]) -> bool:
    """Whether the numbers count: years, quarters, sensors 1 to 3."""
    if len(numbers) < 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        return False
    return len({int(after) - int(before) for before, after in pairwise(numbers)} - {0}) == 1


def _are_pairs(rows: Sequence[Row]) -> bool:
    """Whether each row is a label and its value: the values, unlike a column's, are of several kinds."""
    if any(_width(row) > 2 for row in rows):
        return False
    values = [row[1] for row in rows if _width(row) == 2]
    labels = [row[0] for row in rows if row and row[0]]
    if len(values) < 2 or len(set(labels)) < len(labels) or any(map(_NUMBER.fullmatch, labels)):
        return False
    return all(label.endswith(":") for label in labels) or len({_kind(value) for value in values[1:]}) > 1


def _kind(cell: str) -> str:
    if _DATE.fullmatch(cell):
        return "date"
    if _NUMBER.fullmatch(cell):
        return "share" if cell.endswith("%") else "number"
    return "code" if _CODE.fullmatch(cell) else "words"


def _are_groups(body: Sequence[Row]) -> bool:
    """Whether two rows name the columns: groups, each over several columns, and names within them."""
    if len(body) < 3:
        return False
    groups, names = body[0], body[1]
    width = _width(names)
    if any(len(group) > _LONGEST_NAME for group in groups):
        return False
    gaps = sum(not cell for cell in groups[1:width]) + max(0, width - len(groups))
    repeated = len(set(filter(None, names))) < sum(map(bool, names))
    return (
        gaps > 0
        and width > 2
        and _width(groups) <= width
        and all(names[1:width])
        and not any(_NUMBER.fullmatch(name) for name in names[1:width])
        and (repeated or not names[0] or groups[0] in ("", names[0]))
        and any(_NUMBER.fullmatch(cell) for cell in body[2])
    )


def _joined(groups: Row, names: Row) -> Iterator[str]:
    """Each name after that of its group, which stands over the first of the group's columns."""
    group = ""
    for column, (above, name) in enumerate(zip_longest(groups, names, fillvalue="")):
        group = above or (group if column > 1 else "")
        yield name if group == name else f"{group} {name}".strip()
