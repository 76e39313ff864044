"""The settings of this process as the environment of those that it starts."""

import os
from collections.abc import Mapping

from rag.settings.configuration import CONFIG, INHERITED
from rag.settings.files import SUFFIX
from rag.settings.foreign import CELERYS
from rag.settings.texts import text_of
from rag.settings.whole import Settings

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = "localhost,127.0.0.1,::1"


def inherited(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environment``, in which every setting that was given has the value that it has here.

    A process that is started with it, wherever it runs and whenever, reads no ``.env`` and no
    ``aegis.toml``, and has the same settings. Relative paths are absolute, and a secret that lies in a file
    is left there. Nor is it led by variables of other programs: to another broker, or through a proxy to this
    machine itself.
    """
    names = settings.model_fields_set | {
        name for name in Settings.model_fields if name.upper() in environment
    }
    pairs = (_pair(settings, name) for name in sorted(names))
    others = {name: value for name, value in environment.items() if name not in CELERYS}
    return {**others, **_direct(others), **dict(pair for pair in pairs if pair), CONFIG: INHERITED}


def _direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Where there are proxies: that this machine is reached without one."""
    if not any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES):
        return {}
    known = environment.get("no_proxy") or environment.get("NO_PROXY")
    return dict.fromkeys(("no_proxy", "NO_PROXY"), f"{known},{_LOOPBACK}" if known else _LOOPBACK)


def _pair(settings: Settings, name: str) -> tuple[str, str] | None:
    """A variable and its value; None for what is unset here too."""
    given = settings.given.get(name)
    if given and given.file:
        return f"{name}{SUFFIX}".upper(), str(given.file.absolute())
    value = getattr(settings, name)
    return None if value is None else (name.upper(), text_of(value))
