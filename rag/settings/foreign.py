"""Detects variables of other programs that have a setting's name, and misspelt names of settings.

A shell or a pod has variables of many programs. They must not prevent a start, while a
misspelt setting must not go unnoticed.
"""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from rag.settings.secret_files import SUFFIX

_LINK = re.compile(r"(?:tcp|udp|sctp)://")
"""The beginning of NAME_PORT's value, which Kubernetes and Docker set for each service called NAME."""

_FOREIGN_CHARACTERS = {"debug": "*:,", "log_level": "*:,=", "journal": "/"}
"""Characters that our values do not have: DEBUG=express:* is Node's, LOG_LEVEL=info,sqlx=warn Rust's."""

CELERYS = frozenset(
    {
        "CELERY_BROKER_READ_URL",
        "CELERY_BROKER_URL",
        "CELERY_BROKER_WRITE_URL",
        "CELERY_LOADER",
        "CELERY_RESULT_BACKEND",
    }
)
"""Variables that would make Celery use another broker than the settings name."""

_FOREIGN_PREFIXES = (
    "APP_", "AWS_", "AZURE_", "CELERY_", "CI_", "COMPOSE_", "CONDA_", "DOCKER_", "GITHUB_", "GITLAB_", "GOOGLE_", "HF_",
    "KUBERNETES_", "LC_", "NPM_", "OTEL_", "PIP_", "PYTEST_", "PYTHON", "QDRANT__", "SSL_", "UV_", "VSCODE_", "XDG_",
)  # fmt: skip
_FOREIGN_NAMES = frozenset(
    {"HOST", "HOSTNAME", "LOGLEVEL", "OLLAMA_HOST", "OLLAMA_MODELS", "PORT", "WORKERS"}
)
_LIKENESS = 0.86
"""By :mod:`difflib`: one letter that is wrong, missing or in another place in a name of eight."""

_OURS = "AEGIS_"
_CLIENTS = frozenset({"AEGIS_API_KEY", "AEGIS_API_KEY_FILE", "AEGIS_PROFILE", "AEGIS_URL"})
"""Variables of the command line as a client, which are no settings of the service."""

_LONG_WORD = 10


def is_foreign(field: str, value: object) -> bool:
    """Whether the ``value`` of a variable with the name of ``field`` was meant for another program."""
    if not isinstance(value, str):
        return False
    if field.endswith("_port"):
        return _LINK.match(value) is not None
    return any(character in value for character in _FOREIGN_CHARACTERS.get(field, ""))


def misspelt(names: Iterable[str], settings: Collection[str], secrets: Collection[str]) -> dict[str, str]:
    """For each of ``names`` that is nearly the name of a setting: what is wrong with it, and what was meant.

    ``names``: of variables, in upper case. ``settings`` and ``secrets``: of fields. A name is skipped
    when the right spelling is among ``names`` too.
    """
    given = set(names)
    ours = {name.upper() for name in settings} | {f"{name}{SUFFIX}".upper() for name in secrets} | _CLIENTS
    lines = {}
    for name in sorted(given - ours):
        foreign = name in _FOREIGN_NAMES or name.startswith(_FOREIGN_PREFIXES)
        meant = None if foreign else _meant(name, ours)
        if meant and meant not in given:
            lines[name] = f"{name} is not a setting: did you mean {meant}?"
    idle = {f"{name}{SUFFIX}".upper() for name in settings if name not in secrets} & (given - ours)
    return lines | {name: f"{name} has no effect: only a secret may lie in a file" for name in sorted(idle)}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is most like ``name``, if it is like it enough."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=_LIKENESS)), None)


def _meant(name: str, ours: set[str]) -> str | None:
    """The setting that ``name`` is like, with or without AEGIS_, or the only one that it is a prefix of."""
    bare = name.removeprefix(_OURS)
    if bare in ours:
        return bare
    for spelling in dict.fromkeys((name, bare)):
        if meant := nearest(spelling, ours):
            return meant
    longer = [setting for setting in ours if setting.startswith(f"{bare}_")]
    distinctive = "_" in bare or len(bare) >= _LONG_WORD
    return longer[0] if distinctive and len(longer) == 1 else None
