"""The bundled model, which is there before a stack starts."""

import subprocess
import sys

from rag.folders import expanded
from rag.settings import Settings
from workers.embedding.files import model_files


def prepare(settings: Settings) -> int:
    """Have the model built where it is not there; the exit status, 0 when it is there.

    ``aegis setup`` does it, which says on stderr what it does. It is a process of its own, since what a
    build loads would stay in the supervisor's memory. -P: a folder ``cli`` where one stands is not ours.
    """
    folder = expanded(settings.model_dir, "MODEL_DIR: ").resolve()
    if model_files(folder).complete():
        return 0
    return subprocess.run([sys.executable, "-P", "-m", "cli.main", "setup"], check=False).returncode
