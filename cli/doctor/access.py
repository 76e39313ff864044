"""Who may use this installation: API and Flower, keys, and other users of this machine."""

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from time import time

from cli.doctor.finding import Finding, run_check, timed
from rag.access.keys import Key, KeyState
from rag.registry.keys import KeyRegistry
from rag.settings import Settings
from rag.settings.keys import ALL, Role
from rag.startup import require_closed_api, require_closed_flower
from rag.web.addresses import is_loopback

KEYS = "keys"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NO_ADMIN = 'set API_KEYS with one of role admin and collections ["*"], and start again'
_SUSPENDED = "`aegis keys list`, then activate or revoke what a restore brought back"


def examine(settings: Settings) -> Iterator[Finding]:
    yield run_check("access", lambda: _check_api(settings))
    yield run_check("Flower", lambda: _check_flower(settings))
    home, why = settings.home, settings.chosen_home.why
    # A home that is not there yet is fine: it is made for its owner alone.
    if home.exists() and stat.S_IMODE(home.stat().st_mode) & _OTHERS:
        text = f"other users of this machine can look into {home} ({why})"
        yield Finding("AEGIS_HOME", "note", text, f"chmod 700 {home}")
    else:
        yield Finding("AEGIS_HOME", "ok", f"{home} ({why}) is its owner's alone")


def _check_api(settings: Settings) -> Finding:
    """Raises ConfigurationError when the API would be open to everybody."""
    require_closed_api(settings)
    where = f"the API listens on {settings.listen_host}"
    if not settings.anonymous:
        return Finding("access", "ok", f"{where} and asks for a key")
    no_key = f"{where} and asks for no key until one is made"
    if not is_loopback(settings.listen_host):
        text = f"{no_key}: whoever reaches it may do everything"
        return Finding("access", "note", text, "set API_KEYS, unless ALLOW_ANONYMOUS is meant")
    if "*" in settings.cors_origins or "*" in settings.allowed_hosts:
        text = f"{no_key}: any page in a browser of this machine may do everything"
        return Finding("access", "note", text, "set API_KEYS, or name origins and hosts in place of *")
    return Finding("access", "ok", f"{where} alone, so it needs no key until one is made")


def _check_flower(settings: Settings) -> Finding:
    """Raises ConfigurationError when Flower would be open to everybody."""
    require_closed_flower(settings)
    if settings.flower_closed:
        asked = "password" if settings.flower_basic_auth else "sign-in by OAuth"
        return Finding("Flower", "ok", f"asks for a {asked}")
    return Finding("Flower", "ok", f"only shows, without a password, on {settings.listen_host}")


def examine_keys(settings: Settings, registry: KeyRegistry) -> Finding:
    """Raises Unavailable when the records cannot be read."""
    sighted, ms = timed(registry.all)
    return judge_keys(settings, [each.key for each in sighted], time(), ms)


def judge_keys(settings: Settings, made: Iterable[Key], now: float, ms: float | None = None) -> Finding:
    """How many keys open the API, and whether one of them can make others.

    ``made``: the keys in the records; ``now``: in seconds since 1970.
    """
    states = {key: key.state(now) for key in made}
    counts = Counter(states.values())
    words = [f"{counts[state]} {state}" for state in KeyState if counts[state]]
    words += [f"{len(settings.api_keys)} of API_KEYS"] if settings.api_keys else []
    counted = ", ".join(words) or "none"
    if settings.anonymous and counts.keys() <= {KeyState.SUSPENDED}:
        return Finding(KEYS, "ok", f"{counted}: nobody needs one", ms=ms)
    text = f"{counted}: nobody comes in without one"
    if not _has_admin(settings, states):
        return Finding(KEYS, "bad", f"{text}, and none makes others", _NO_ADMIN, ms)
    if KeyState.SUSPENDED in counts:
        return Finding(KEYS, "note", text, _SUSPENDED, ms)
    return Finding(KEYS, "ok", text, ms=ms)


def _has_admin(settings: Settings, states: dict[Key, KeyState]) -> bool:
    """Whether somebody may make keys. With an OIDC issuer that is assumed: a token may say so."""
    made = any(
        key.role is Role.ADMIN and key.reaches_all and state is KeyState.ACTIVE
        for key, state in states.items()
    )
    given = any(entry.role is Role.ADMIN and ALL in entry.collections for entry in settings.api_keys.values())
    return made or given or settings.oidc_issuer is not None
