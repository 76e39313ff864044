"""A forked child that lives for one answer."""

import os
import traceback
from collections.abc import Callable
from typing import NoReturn


def fork_for_answer(live: Callable[[int], object]) -> tuple[int, int]:
    """Fork a child whose whole life is ``live``, with a descriptor to write its answer to.

    Its process id, and the descriptor that the answer is read from. The child ends with status 0, or with 1
    after the traceback of what ``live`` raised. Its parent waits for it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _live_and_end(live, writing)
    os.close(writing)
    return pid, reading


def _live_and_end(live: Callable[[int], object], writing: int) -> NoReturn:
    """By ``_exit``: threads of parsers do not survive an orderly end."""
    status = 1
    try:
        live(writing)
        status = 0
    except BaseException:  # noqa: BLE001 - there is nobody above to tell
        traceback.print_exc()
    finally:
        os._exit(status)
