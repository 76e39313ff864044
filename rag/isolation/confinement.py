"""What a process that handles hostile data may reach."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Confinement:
    """``network``: TCP and UDP to anywhere, as a client. ``readable``: files, and folders with all
    that is in them; whatever else it opens must have been open before. Nothing may be written."""

    network: bool = False
    readable: tuple[Path, ...] = ()
