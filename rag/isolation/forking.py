"""Forks a child that lives for one answer."""

import os
import traceback
from collections.abc import Callable


def fork_for_answer(live: Callable[[int], object]) -> tuple[int, int]:
    """Fork a child whose whole life is ``live``, which is given the descriptor to write its answer to.

    Returns the child's process id and the descriptor to read the answer from. The child ends with status 0,
    or with 1 after the traceback of what ``live`` raised. The caller waits for it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            live(writing)
            status = 0
        except BaseException:  # noqa: BLE001 - there is nobody above to tell
            traceback.print_exc()
        finally:
            os._exit(status)  # threads of parsers do not survive an orderly end
    os.close(writing)
    return pid, reading
