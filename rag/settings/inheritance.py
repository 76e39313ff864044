"""The settings of this process as the environment of those that it starts."""

import os
from collections.abc import Mapping

from rag.settings.configuration import CONFIG, INHERITED
from rag.settings.files import SUFFIX
from rag.settings.texts import text_of
from rag.settings.whole import Settings


def inherited(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environment``, in which every setting that was given has the value that it has here.

    A process that is started with it, wherever it runs and whenever, reads no ``.env`` and no
    ``aegis.toml``, and has the same settings. Relative paths are absolute, and a secret that lies in a file
    is left there.
    """
    names = settings.model_fields_set | {
        name for name in Settings.model_fields if name.upper() in environment
    }
    pairs = (_pair(settings, name) for name in sorted(names))
    return {**environment, **dict(pair for pair in pairs if pair), CONFIG: INHERITED}


def _pair(settings: Settings, name: str) -> tuple[str, str] | None:
    """A variable and its value; None for what is unset here too."""
    given = settings.given.get(name)
    if given and given.file:
        return f"{name}{SUFFIX}".upper(), str(given.file.absolute())
    value = getattr(settings, name)
    return None if value is None else (name.upper(), text_of(value))
