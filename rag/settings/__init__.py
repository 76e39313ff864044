"""All configuration. Nothing outside this package reads the environment.

Every field is an environment variable of the same name in upper case, which ``.env`` and ``aegis.toml``
may give too (``docs/reference/configuration.md``). Its description is what
``docs/reference/settings.md`` shows (``python -m rag.settings`` prints that page).
A role whose address is unset runs on its embedded part, and defaults that only suit
production apply only then: see ``docs/decisions/0003-two-profiles.md``.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.settings.inheritance import inherited
    from rag.settings.keys import ApiKey, Role
    from rag.settings.loading import early_log_format, load
    from rag.settings.settings import Settings

__all__ = ["ApiKey", "Role", "Settings", "early_log_format", "inherited", "load"]

_PLACES = {
    "ApiKey": "keys",
    "Role": "keys",
    "Settings": "settings",
    "early_log_format": "loading",
    "inherited": "inheritance",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for, so that a client's settings come without the server's and pydantic."""
    if name in _PLACES:
        return resolve_name(f"{__name__}.{_PLACES[name]}:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
