"""Who may do what: which doors are open, and whether other users of this machine can read along."""

import stat
from collections.abc import Iterator

from cli.examination.finding import Finding, found
from rag.addresses import is_loopback
from rag.exposure import require_closed_api, require_closed_flower
from rag.settings import Settings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def examine(settings: Settings) -> Iterator[Finding]:
    yield found("access", lambda: _api(settings))
    yield found("Flower", lambda: _flower(settings))
    yield _home(settings)


def _api(settings: Settings) -> Finding:
    """Raises ConfigurationError for an open door."""
    require_closed_api(settings)
    where = f"the API listens on {settings.listen_host}"
    if not settings.anonymous:
        return Finding("access", "ok", f"{where} and asks for a key")
    open_door = f"{where} and asks for no key until one is made"
    if not is_loopback(settings.listen_host):
        text = f"{open_door}: whoever reaches it may do everything"
        return Finding("access", "note", text, "set API_KEYS, unless ALLOW_ANONYMOUS is meant")
    if "*" in settings.cors_origins or "*" in settings.allowed_hosts:
        text = f"{open_door}: any page in a browser of this machine may do everything"
        return Finding("access", "note", text, "set API_KEYS, or name origins and hosts in place of *")
    return Finding("access", "ok", f"{where} alone, so it needs no key until one is made")


def _flower(settings: Settings) -> Finding:
    """Raises ConfigurationError for an open door."""
    require_closed_flower(settings)
    if settings.flower_basic_auth is not None:
        return Finding("Flower", "ok", "asks for a password")
    return Finding("Flower", "ok", f"only shows, without a password, on {settings.listen_host}")


def _home(settings: Settings) -> Finding:
    """Nothing is wrong where it is not there yet: it is made for its owner alone."""
    home, why = settings.home, settings.chosen_home.why
    if home.exists() and stat.S_IMODE(home.stat().st_mode) & _OTHERS:
        text = f"other users of this machine can look into {home} ({why})"
        return Finding("AEGIS_HOME", "note", text, f"chmod 700 {home}")
    return Finding("AEGIS_HOME", "ok", f"{home} ({why}) is its owner's alone")
