"""The numbers of an ODT file's headings and lists, which it states by level and does not write: "2.3", "(a)".

Source: OpenDocument 1.3, part 3, 5.3 and 16.31: a list names its style, and a style says for each level how
numbers are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from rag.parsing.ordinals import ordinal
from rag.parsing.package import attribute, local_name, named

_FORMS: Mapping[str, str] = {"i": "lowerRoman", "I": "upperRoman", "a": "lowerLetter", "A": "upperLetter"}
_DEEPEST = 10
_LONGEST_NUMBER = 60  # characters


@dataclass(frozen=True, slots=True)
class Level:
    """How a level is numbered. ``form``: "" for bullets; ``shown``: levels that its number has."""

    form: str = ""
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    shown: int = 1


Levels = Mapping[int, Level]


@dataclass(slots=True)
class Counter:
    """Counts the items of one list, or the headings."""

    levels: Levels
    counts: dict[int, int] = field(default_factory=dict)

    def number(self, level: int, start: int | None = None) -> str:
        """The next number of ``level``, from 1; "" for a bullet. ``start``: where it is counted anew."""
        stated = self.levels.get(level, Level())
        following = self.counts[level] + 1 if level in self.counts else stated.start
        self.counts[level] = following if start is None else start
        self.counts = {at: count for at, count in self.counts.items() if at <= level}
        if not stated.form:
            return ""
        shown = range(max(1, level - stated.shown + 1), level + 1)
        return f"{stated.prefix}{'.'.join(map(self._written, shown))}{stated.suffix}"[:_LONGEST_NUMBER]

    def _written(self, level: int) -> str:
        stated = self.levels.get(level, Level())
        return ordinal(self.counts.get(level, stated.start), _FORMS.get(stated.form, ""))


@dataclass(slots=True)
class Numbering:
    """``styles``: the levels of each style of lists. ``headings``: the counter of numbered headings."""

    styles: Mapping[str, Levels]
    headings: Counter
    _last: dict[str, Counter] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Element, styles: Element) -> "Numbering":
        """From the roots of the parts ``content.xml`` and ``styles.xml``."""
        lists = {
            attribute(style, "name"): _levels(style)
            for part in (styles, content)
            for style in named(part, "list-style")
        }
        outline = next(named(styles, "outline-style"), None)
        return cls(lists, Counter({} if outline is None else _levels(outline)))

    def counter_of(self, style: str, *, goes_on: bool) -> Counter:
        """The counter of a list. ``goes_on``: whether it counts on where the last one of its style ended."""
        if not goes_on or style not in self._last:
            self._last[style] = Counter(self.styles.get(style, {}))
        return self._last[style]


def _levels(style: Element) -> dict[int, Level]:
    found = {}
    for each in style:
        if local_name(each) in ("list-level-style-number", "outline-level-style"):
            found[number_of(attribute(each, "level"), 1, _DEEPEST)] = Level(
                attribute(each, "num-format"),
                attribute(each, "num-prefix"),
                attribute(each, "num-suffix"),
                number_of(attribute(each, "start-value"), 1, 1_000_000),
                number_of(attribute(each, "display-levels"), 1, _DEEPEST),
            )
    return found


def number_of(value: str, otherwise: int, most: int) -> int:
    """The number that an attribute states, at most ``most``."""
    is_number = value.isascii() and value.isdecimal() and len(value) < 12
    return min(int(value), most) if is_number else otherwise
