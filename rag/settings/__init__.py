"""All configuration. Nothing outside this package reads the environment.

Every field is an environment variable of the same name in upper case, which ``.env`` and ``aegis.toml``
may give too (``docs/reference/configuration.md``). Its description is what
``docs/reference/settings.md`` shows (``python -m rag.settings`` prints that page).
A role whose address is unset runs on its embedded part, and defaults that only suit
production apply only then: see ``docs/decisions/0003-two-profiles.md``.
"""

from rag.settings.inheritance import inherited
from rag.settings.keys import ApiKey, Role
from rag.settings.loading import load
from rag.settings.whole import Settings

__all__ = ["ApiKey", "Role", "Settings", "inherited", "load"]
