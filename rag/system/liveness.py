"""The file by whose age a container's health check tells that its process works: deploy/docker/healthy.

To look at a file's age costs milliseconds, while to ask the broker starts an interpreter.
"""

import logging
from pathlib import Path
from time import monotonic

SECONDS = 2.0
"""The file is touched so often at most."""

log = logging.getLogger(__name__)


class LivenessFile:
    """``path`` None: :meth:`touch` does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched_at = float("-inf")

    def touch(self) -> None:
        """Say that the process works. When the file cannot be written, the log says why."""
        if self._path is None or monotonic() - self._touched_at < SECONDS:
            return
        self._touched_at = monotonic()
        try:
            self._path.touch(mode=0o600)
        except OSError as error:
            log.warning("LIVENESS_FILE: %s cannot be touched: %s", self._path, error.strerror)
