"""Texts that harm whoever embeds them, each time, and the harm that they do."""

from collections.abc import Callable, Mapping, Sequence

from tests.chaos.faults.traps import eat, hold, leave

POISONS: Mapping[str, str] = {
    "exits": "Whoever embeds this text exits.",
    "eats": "Whoever embeds this text eats memory.",
    "hangs": "Whoever embeds this text hangs.",
}

_HARM: Mapping[str, Callable[[], object]] = {"exits": leave, "eats": eat, "hangs": hold}


def taste(texts: Sequence[str]) -> None:
    """Suffer what a poison among ``texts`` does."""
    for name, poison in POISONS.items():
        if any(poison in text for text in texts):
            _HARM[name]()
