"""Variables of other programs that have a name of ours, and names that are nearly ours.

A shell or a pod has variables of many programs. None of them may stop a start, and none that is
only misspelt may stay unnoticed.
"""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from rag.settings.files import SUFFIX

_LINK = re.compile(r"(?:tcp|udp|sctp)://")
"""How Kubernetes and Docker begin the value of NAME_PORT, for each service that is called NAME."""

_MARKS = {"debug": "*:,", "log_level": "*:,=", "journal": "/"}
"""Characters that no value of ours has: DEBUG=express:* is Node's, LOG_LEVEL=info,sqlx=warn Rust's."""

CELERYS = frozenset(
    {
        "CELERY_BROKER_READ_URL",
        "CELERY_BROKER_URL",
        "CELERY_BROKER_WRITE_URL",
        "CELERY_LOADER",
        "CELERY_RESULT_BACKEND",
    }
)
"""What would lead Celery elsewhere than the settings do."""

_THEIRS = (
    "APP_", "AWS_", "AZURE_", "CELERY_", "CI_", "COMPOSE_", "CONDA_", "DOCKER_", "GITHUB_", "GITLAB_", "GOOGLE_", "HF_",
    "KUBERNETES_", "LC_", "NPM_", "OTEL_", "PIP_", "PYTEST_", "PYTHON", "QDRANT__", "SSL_", "UV_", "VSCODE_", "XDG_",
)  # fmt: skip
"""How names begin that are known to be others'."""

_KNOWN = frozenset({"HOST", "HOSTNAME", "LOGLEVEL", "OLLAMA_HOST", "OLLAMA_MODELS", "PORT", "WORKERS"})
_LIKENESS = 0.86
"""By :mod:`difflib`: one letter that is wrong, lacks or changed places in a name of eight."""

_OURS = "AEGIS_"
_CLIENTS = frozenset({"AEGIS_API_KEY", "AEGIS_API_KEY_FILE", "AEGIS_PROFILE", "AEGIS_URL"})
"""What the command line takes as a client, which are no settings of the service."""

_LONG_WORD = 10


def is_foreign(field: str, value: object) -> bool:
    """Whether what stands under the name of ``field`` was written for another program."""
    if not isinstance(value, str):
        return False
    if field.endswith("_port"):
        return _LINK.match(value) is not None
    return any(mark in value for mark in _MARKS.get(field, ""))


def misspelt(names: Iterable[str], settings: Collection[str], secrets: Collection[str]) -> dict[str, str]:
    """For each of ``names`` that is nearly the name of a setting: what is wrong with it, and what was meant.

    ``names``: of variables, in upper case. ``settings`` and ``secrets``: of fields. None is told whose right
    spelling is among ``names`` too.
    """
    given = set(names)
    ours = {name.upper() for name in settings} | {f"{name}{SUFFIX}".upper() for name in secrets} | _CLIENTS
    found = {name: _meant(name, ours) for name in sorted(given - ours) if not _is_known(name)}
    said = {
        name: f"{name} is not a setting: did you mean {meant}?"
        for name, meant in found.items()
        if meant and meant not in given
    }
    idle = {f"{name}{SUFFIX}".upper() for name in settings if name not in secrets} & (given - ours)
    return said | {name: f"{name} has no effect: only a secret may lie in a file" for name in sorted(idle)}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` is most like, where it is much like it."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=_LIKENESS)), None)


def _is_known(name: str) -> bool:
    return name in _KNOWN or name.startswith(_THEIRS)


def _meant(name: str, ours: set[str]) -> str | None:
    """One that it is like, with or without AEGIS_ before it, or the only one that it begins."""
    bare = name.removeprefix(_OURS)
    if bare in ours:
        return bare
    for spelt in dict.fromkeys((name, bare)):
        if meant := nearest(spelt, ours):
            return meant
    begun = [setting for setting in ours if setting.startswith(f"{bare}_")]
    whole = "_" in bare or len(bare) >= _LONG_WORD
    return begun[0] if whole and len(begun) == 1 else None
