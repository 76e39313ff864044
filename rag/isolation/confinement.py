"""Names what a process that handles hostile data may reach."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Confinement:
    """``network``: whether it may connect to any address by TCP and UDP.

    ``readable``: the files it may open for reading, and folders with all that is in them. It may write to
    nothing that was not open before.
    """

    network: bool = False
    readable: tuple[Path, ...] = ()
