"""The environment of child processes, which makes them have this process' settings."""

import os
from collections.abc import Mapping

from rag.settings.configuration import CONFIG, INHERITED
from rag.settings.foreign import CELERYS
from rag.settings.secret_files import SUFFIX
from rag.settings.settings import Settings
from rag.settings.texts import text_of

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = "localhost,127.0.0.1,::1"


def inherited(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environment`` with every given setting at the value that it has here.

    A process started with it, in whatever folder, reads no ``.env`` and no ``aegis.toml``, and has the
    same settings. Relative paths become absolute; a secret in a file stays there. Variables of other
    programs do not lead it to another broker, or through a proxy to this machine.
    """
    child = {name: value for name, value in environment.items() if name not in CELERYS}
    if any(child.get(name) or child.get(name.upper()) for name in _PROXIES):
        known = child.get("no_proxy") or child.get("NO_PROXY")
        child["no_proxy"] = child["NO_PROXY"] = f"{known},{_LOOPBACK}" if known else _LOOPBACK
    here = {name for name in Settings.model_fields if name.upper() in environment}
    for name in sorted(settings.model_fields_set | here):
        given, value = settings.given.get(name), getattr(settings, name)
        if given and given.file:
            child[f"{name}{SUFFIX}".upper()] = str(given.file.absolute())
        elif value is not None:
            child[name.upper()] = text_of(value)
    return {**child, CONFIG: INHERITED}
