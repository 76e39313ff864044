"""Where the slides of a PPTX file stand, and their notes.

xberg numbers slides by the names of their parts, which keep the order in which they were made, and gives
notes to other slides than their own.
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from rag.parsing.package import Package, named, relation_id, words_of

_PRESENTATION = "ppt/presentation.xml"
_SLIDE = re.compile(r"ppt/slides/slide(\d{1,9})\.xml", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slide:
    """``number``: from 1, hidden slides are counted; None for one that is not shown any more.

    ``pictures``: the parts that it shows.
    """

    number: int | None
    notes: str
    pictures: tuple[str, ...] = ()


def slides_of(package: Package) -> list[Slide]:
    """The slides in the order of their parts' names. Raises ParseError."""
    relations = package.relations(_PRESENTATION)
    shown = [
        relations[relation_id(each)].part.lower()
        for each in named(package.root(_PRESENTATION), "sldId")
        if relation_id(each) in relations
    ]
    numbers = {part: number for number, part in enumerate(shown, 1)}
    parts = sorted(filter(_SLIDE.fullmatch, package.parts), key=_number)
    return [_slide(package, part, numbers.get(part.lower())) for part in parts]


def _slide(package: Package, part: str, number: int | None) -> Slide:
    relations = package.relations(part).values()
    pictures = tuple(each.part for each in relations if each.kind == "image")
    notes = next((each.part for each in relations if each.kind == "notesSlide"), "")
    return Slide(number, _notes(package, notes), pictures)


def _number(part: str) -> int:
    found = _SLIDE.fullmatch(part)
    return int(found[1]) if found else 0


def _notes(package: Package, part: str) -> str:
    bodies = (shape for shape in named(package.root(part), "sp") if _is_body(shape))
    paragraphs = (words_of(each) for shape in bodies for each in named(shape, "p"))
    return "\n".join(filter(None, paragraphs))


def _is_body(shape: Element) -> bool:
    """Whether the shape holds the notes, not the page's number or date."""
    return any(each.get("type") == "body" for each in named(shape, "ph"))
