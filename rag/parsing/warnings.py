"""Says in a sentence what of a file was not read."""

from collections.abc import Mapping, Sequence

from rag.model import ReadingWarning, WarningKind
from rag.naming import plain_name

MOST_WARNINGS = 20
LONGEST_WARNING = 400
"""Characters of a warning's text."""

UNKNOWN_SCRIPT = "handwriting perhaps, or a script other than Latin and Chinese"
_MOST_NAMES = 10
_LONGEST_NAME = 60


def pages_not_read(numbers: Sequence[int], reason: str) -> ReadingWarning:
    """``numbers``: of the pages, ascending, at least one. ``reason``: why they were not read."""
    pages, are = ("page", "was") if len(numbers) == 1 else ("pages", "were")
    return warning(WarningKind.PAGES, len(numbers), f"{pages} {_ranges(numbers)} {are} not read: {reason}")


def lines_not_read(by_page: Mapping[int, int]) -> ReadingWarning:
    """``by_page``: how many lines of text could not be recognised, by the number of the page."""
    count = sum(by_page.values())
    lines = "1 line" if count == 1 else f"{count} lines"
    pages = "page" if len(by_page) == 1 else "pages"
    told = f"{lines} on {pages} {_ranges(sorted(by_page))} cannot be recognised: {UNKNOWN_SCRIPT}"
    return warning(WarningKind.PARTS, count, told)


def pictures_not_read(count: int, pages: Sequence[int] = ()) -> ReadingWarning:
    """``count``: of pictures within a document, at least one. ``pages``: on which they are, ascending."""
    numbers = sorted({*pages})
    where = f"on page{'s'[: len(numbers) - 1]} {_ranges(numbers)}" if numbers else "in it"
    pictures = f"1 picture {where} was" if count == 1 else f"{count} pictures {where} were"
    return warning(WarningKind.PICTURES, count, f"{pictures} not read")


def drawings_not_read(count: int) -> ReadingWarning:
    """``count``: of drawings and pictures of other formats, and of more pictures than are read."""
    drawings = "1 drawing or picture in it was" if count == 1 else f"{count} drawings or pictures in it were"
    return warning(WarningKind.PARTS, count, f"{drawings} not read: of another format, or over the limit")


def formulas_without_values(count: int) -> ReadingWarning:
    """``count``: of cells whose value the file lacks, at least one."""
    shown = (
        "1 formula has no stored value and is shown as it stands"
        if count == 1
        else f"{count} formulas have no stored value and are shown as they stand"
    )
    return warning(
        WarningKind.PARTS, count, f"{shown}: a spreadsheet program stores the values when it saves the file"
    )


def characters_guessed(text: str, charset: str, declared: str | None = None) -> ReadingWarning:
    """``text`` was read as ``charset``, since what was ``declared``, if anything, cannot be."""
    guessed = sum(not character.isascii() for character in text)
    why = (
        f"the text is not in {declared}, which it declares"
        if declared
        else "the text declares no character set"
    )
    told = f"{why}: {guessed} characters were read as {charset} by guess"
    return warning(WarningKind.CHARACTERS, guessed, told)


def attachments_not_read(unread: Sequence[tuple[str, str]]) -> ReadingWarning:
    """``unread``: name and reason of each attachment, at least one."""
    shown = [f"{plain_name(name)[:_LONGEST_NAME]} ({plain_name(reason)})" for name, reason in unread]
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    text = f"not read: {', '.join(shown[:_MOST_NAMES])}{more}"
    return warning(WarningKind.ATTACHMENTS, len(shown), text)


def warning(kind: WarningKind, count: int, text: str) -> ReadingWarning:
    """A warning in one line of bounded length."""
    return ReadingWarning(kind, count, plain_name(text)[:LONGEST_WARNING])


def _ranges(numbers: Sequence[int]) -> str:
    """Such as "2, 4-6, 9"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    names = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    more = ["…"] if len(names) > _MOST_NAMES else []
    return ", ".join(names[:_MOST_NAMES] + more)
