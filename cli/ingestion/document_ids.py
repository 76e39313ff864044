"""Makes the ids of documents from the paths of their files on this machine."""

import os
from pathlib import Path
from unicodedata import normalize

from rag.naming import document_id_of_names


def document_id_below(base: Path, path: Path) -> str:
    """The id of the file at ``path``: its path below the folder ``base``.

    Of two files whose names differ only in how their accents are encoded, each gets an id of its own.
    """
    names = path.relative_to(base).parts
    twins = any(_has_composed_twin(base.joinpath(*names[:end])) for end in range(1, len(names) + 1))
    return document_id_of_names(names, composed=not twins)


def _has_composed_twin(path: Path) -> bool:
    """Whether another file has this name in Unicode's composed form (NFC). macOS shows one file as both."""
    composed = path.with_name(normalize("NFC", path.name))
    return composed.name != path.name and os.path.lexists(composed) and not composed.samefile(path)
