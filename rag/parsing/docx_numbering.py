"""The numbers of a DOCX file's paragraphs, which Word counts and does not write: "2.3", "(a)", "IV.".

Source: ECMA-376, part 1, 17.9: a paragraph or its style names an instance of a list and a level in it; the
level states how its number is written, ``%1.%2`` for example.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from rag.parsing.ordinals import ordinal

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACEHOLDER = re.compile(r"%([1-9])")
_LEVELS = 9
_LONGEST_NUMBER = 60  # characters
_DEEPEST_STYLE = 20
_UNWRITTEN = frozenset({"bullet", "none"})


@dataclass(frozen=True, slots=True)
class Place:
    """An instance of a list, "0" for none, and a level in it."""

    instance: str | None = None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """How a level is numbered."""

    start: int = 1
    form: str = "decimal"
    text: str = ""
    all_decimal: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of the list ``abstract``; ``starts``: levels that it begins anew, and with which number."""

    abstract: str
    levels: Mapping[int, Level]
    starts: Mapping[int, int]


@dataclass(slots=True)
class Numbering:
    """Counts paragraphs, which it is asked about in their order."""

    instances: Mapping[str, Instance]
    styles: Mapping[str, Place]
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)

    def number_of(self, own: Place, style: str) -> str:
        """The number as it is written; "" for none, and for a bullet."""
        named = self.styles.get(style, Place())
        instance = self.instances.get((own.instance if own.instance is not None else named.instance) or "")
        level = own.level if own.level is not None else (named.level or 0)
        if instance is None or level not in instance.levels:
            return ""
        self._count(own.instance or named.instance or "", instance, level)
        form = instance.levels[level]
        if form.form in _UNWRITTEN:
            return ""
        counts = self._counts[instance.abstract]

        def written(place: re.Match[str]) -> str:
            above = int(place[1]) - 1
            stated = instance.levels.get(above, Level())
            shape = "decimal" if form.all_decimal else stated.form
            return ordinal(counts.get(above, stated.start), shape)

        return " ".join(_PLACEHOLDER.sub(written, form.text).split())[:_LONGEST_NUMBER]

    def _count(self, name: str, instance: Instance, level: int) -> None:
        counts = self._counts.setdefault(instance.abstract, {})
        if level in instance.starts and (name, level) not in self._begun:
            self._begun.add((name, level))
            counts[level] = instance.starts[level]
        else:
            counts[level] = counts[level] + 1 if level in counts else instance.levels[level].start
        for deeper in [each for each in counts if each > level]:
            del counts[deeper]


def numbering_of(numbering: bytes, styles: bytes) -> Numbering:
    """Of the parts ``numbering.xml`` and ``styles.xml``, b"" for one that is missing. Raises ParseError."""
    root = ElementTree.fromstring(numbering or b"<none/>")  # noqa: S314 - expat, in the confined child
    abstracts = {_value(each, "abstractNumId"): each for each in root.iter(f"{_W}abstractNum")}
    instances: dict[str, Instance] = {}
    for each in root.iter(f"{_W}num"):
        abstract = _child(each, "abstractNumId")
        if (list_ := abstracts.get(abstract)) is not None:
            starts = {
                _number(_value(override, "ilvl"), 0): _number(_child(override, "startOverride"), 1)
                for override in each.iter(f"{_W}lvlOverride")
                if override.find(f"{_W}startOverride") is not None
            }
            own = {
                level: form for override in each.iter(f"{_W}lvlOverride") for level, form in _levels(override)
            }
            instances[_value(each, "numId")] = Instance(abstract, {**dict(_levels(list_)), **own}, starts)
    return Numbering(instances, _places_of_styles(styles))


def _levels(parent: Element) -> Iterator[tuple[int, Level]]:
    for each in parent.findall(f"{_W}lvl")[:_LEVELS]:
        form = Level(
            _number(_child(each, "start"), 1),
            _child(each, "numFmt") or "decimal",
            _child(each, "lvlText"),
            each.find(f"{_W}isLgl") is not None,
        )
        yield _number(_value(each, "ilvl"), 0), form


def _places_of_styles(styles: bytes) -> dict[str, Place]:
    root = ElementTree.fromstring(styles or b"<none/>")  # noqa: S314 - expat, in the confined child
    own: dict[str, tuple[Place, str]] = {}
    for style in root.iter(f"{_W}style"):
        stated = style.find(f"{_W}pPr/{_W}numPr")
        place = Place() if stated is None else place_of(_child(stated, "numId"), _child(stated, "ilvl"))
        own[_value(style, "styleId")] = place, _child(style, "basedOn")
    return {name: _inherited(own, name) for name in own}


def _inherited(own: Mapping[str, tuple[Place, str]], name: str) -> Place:
    """The list that the style states, or else one that it is based on; and the level."""
    instance: str | None = None
    level: int | None = None
    for _ in range(_DEEPEST_STYLE):
        if name not in own:
            break
        place, name = own[name]
        instance = instance if instance is not None else place.instance
        level = level if level is not None else place.level
    return Place(instance, level)


def place_of(instance: str, level: str) -> Place:
    """The place that the values of ``numId`` and ``ilvl`` state, "" for one that is missing."""
    return Place(instance or None, _number(level, 0) if level else None)


def _child(parent: Element, name: str) -> str:
    found = parent.find(f"{_W}{name}")
    return "" if found is None else _value(found, "val")


def _value(element: Element, name: str) -> str:
    return element.get(f"{_W}{name}", "")


def _number(value: str, otherwise: int) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else otherwise
