"""Paths as people write them."""

from pathlib import Path

from rag.errors import ConfigurationError, translated


def expanded(path: str | Path, whose: str = "") -> Path:
    """``path`` with the folder of a user in place of ``~``. ConfigurationError when there is none."""
    with translated({RuntimeError: ConfigurationError}, f"{whose}{path}"):
        return Path(path).expanduser()
