"""Keys: how many open the API, and whether one of them still makes others."""

from collections import Counter
from collections.abc import Iterable
from time import time

from cli.examination.finding import Finding, timed
from rag.keys import Key, KeyState
from rag.settings import Settings
from rag.settings.keys import ALL, Role
from rag.stores.keys import KeyRegistry

PART = "keys"


def examine(settings: Settings, registry: KeyRegistry) -> Finding:
    """Raises Unavailable when the records are away."""
    sighted, ms = timed(registry.all)
    return judge(settings, [each.key for each in sighted], time(), ms)


def judge(settings: Settings, made: Iterable[Key], now: float, ms: float | None = None) -> Finding:
    """``made``: the keys in the records; ``now``: in seconds since 1970."""
    states = {key: key.state(now) for key in made}
    counted = _counted(settings, states.values())
    if settings.anonymous and set(states.values()) <= {KeyState.SUSPENDED}:
        return Finding(PART, "ok", f"{counted}: nobody needs one", ms=ms)
    text = f"{counted}: nobody comes in without one"
    if not _administered(settings, states):
        return Finding(PART, "bad", f"{text}, and none makes others", _WAY_BACK, ms)
    if KeyState.SUSPENDED in states.values():
        return Finding(
            PART, "note", text, "`aegis keys list`, then activate or revoke what a restore brought back", ms
        )
    return Finding(PART, "ok", text, ms=ms)


_WAY_BACK = 'set API_KEYS with one of role admin and collections ["*"], and start again'


def _counted(settings: Settings, states: Iterable[KeyState]) -> str:
    counts = Counter(states)
    words = [f"{counts[state]} {state}" for state in KeyState if counts[state]]
    if settings.api_keys:
        words.append(f"{len(settings.api_keys)} of API_KEYS")
    return ", ".join(words) or "none"


def _administered(settings: Settings, states: dict[Key, KeyState]) -> bool:
    """Whether somebody may make keys. A token of an issuer may say so, so there it is taken for true."""
    made = any(
        key.role is Role.ADMIN and key.reaches_all and state is KeyState.ACTIVE
        for key, state in states.items()
    )
    given = any(entry.role is Role.ADMIN and ALL in entry.collections for entry in settings.api_keys.values())
    return made or given or settings.oidc_issuer is not None
