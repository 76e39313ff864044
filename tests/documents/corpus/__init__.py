"""Some three hundred files that mean harm, made by script; nothing of them is kept.

``CORPUS`` has a maker for each name. A name's ending is that of the file, so a caller sees the same
label as a sender would give it.
"""

from collections.abc import Callable, Mapping

from tests.documents.corpus import archives, mails, markup, mutations, pages, sheets, texts

Maker = Callable[[], bytes]

_FAMILIES: tuple[Mapping[str, Maker], ...] = (
    mutations.FILES,
    archives.FILES,
    markup.FILES,
    sheets.FILES,
    pages.FILES,
    texts.FILES,
    mails.FILES,
)

CORPUS: Mapping[str, Maker] = {name: maker for family in _FAMILIES for name, maker in family.items()}
