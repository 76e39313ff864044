"""Builds HTML in which every text is escaped, because only :func:`element` makes markup."""

from html import escape

from rag.system.printable import printable

_VOID = frozenset({"meta"})


class Markup(str):
    """HTML. A plain ``str`` is text, and is escaped where it becomes part of an element."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | bool) -> Markup:
    """``<tag …>children</tag>``.

    ``class_`` is ``class``. An attribute that is True has no value, one that is False is left out.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(printable(value))}"')
        for name, value in attributes.items()
        if value is not False
    )
    end = "" if tag in _VOID else f"</{tag}>"
    return Markup(f"<{tag}{written}>{''.join(map(_escaped, children))}{end}")


def _escaped(child: str) -> str:
    return child if isinstance(child, Markup) else escape(printable(child))
