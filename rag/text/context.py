"""Says where a passage stands, in lines that searching and models get besides its own text.

A passage often does not name what it is about: the title, the file's name, the headings above it and the
document's metadata do. These lines are never part of what is quoted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rag.model import Passage

MAX_LINE = 120
"""Characters of one line."""

MAX_CONTEXT = 400
"""Characters of all lines: about 100 tokens, half as many as a passage has."""

_HEAD = 300
"""Characters at the beginning of a passage in which its title and headings may stand already."""


def context_of(passage: Passage, metadata_fields: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of :func:`names_of`, then the headings from the outermost, each on a line.

    Each once, cut to ``MAX_LINE``. What goes beyond ``MAX_CONTEXT`` is left out, outer headings first.
    """
    names = _lines(names_of(passage, metadata_fields))
    headings = _lines(passage.headings)
    kept = _within(MAX_CONTEXT, [*names, *reversed(headings)])
    return tuple(line for line in dict.fromkeys((*names, *headings)) if line in kept)


def names_of(passage: Passage, metadata_fields: Sequence[str] = ()) -> tuple[str, ...]:
    """What names the passage's document: its titles, and the named metadata fields.

    A title that is the beginning of the text itself, as documents without any other get, is no name.
    """
    title = "" if _one_line(passage.text[:_HEAD]).startswith(passage.title) else passage.title
    return title, passage.searched_title, *_facts(passage.metadata, metadata_fields)


def context_above(passage: Passage, metadata_fields: Sequence[str] = ()) -> tuple[str, ...]:
    """The lines of :func:`context_of` that do not stand at the beginning of the passage's text already."""
    head = _one_line(passage.text[:_HEAD]).casefold()
    return tuple(line for line in context_of(passage, metadata_fields) if line.casefold() not in head)


def searched_text(passage: Passage, metadata_fields: Sequence[str] = ()) -> str:
    """What the lexical search finds a passage by: the words of its context and of its text.

    A title that the text itself states counts nowhere but there: among many reports it finds the wrong ones
    (right one of four reports first, by retrieval: mean reciprocal rank .57 without it, .54 with it).
    """
    facts = _facts(passage.metadata, metadata_fields)
    return "\n".join((passage.searched_title, *passage.headings, *facts, passage.text))


def text_in_context(passage: Passage, metadata_fields: Sequence[str] = ()) -> str:
    """The lines of :func:`context_above`, then the passage's text."""
    return "\n".join((*context_above(passage, metadata_fields), passage.text))


def _facts(metadata: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    facts = []
    for name in names:
        value = metadata.get(name)
        values = value if isinstance(value, list) else [value]
        told = [str(each) for each in values if isinstance(each, str | int | float)]
        if told:
            facts.append(f"{name}: {', '.join(told)}"[:MAX_LINE])
    return facts


def _within(room: int, lines: Sequence[str]) -> frozenset[str]:
    """Those of the lines that fit ``room`` characters together; the first ones come first."""
    kept = set[str]()
    for line in dict.fromkeys(lines):
        if len(line) <= room:
            room -= len(line)
            kept.add(line)
    return frozenset(kept)


def _lines(parts: Sequence[str]) -> list[str]:
    lines = (_one_line(part[: 2 * MAX_LINE])[:MAX_LINE].rstrip() for part in parts)
    return [line for line in lines if line]


def _one_line(text: str) -> str:
    return " ".join(text.split())
