"""The same done to several things, of which some may refuse it."""

import sys
from collections.abc import Callable, Sequence

from rag.errors import Permanent, Unauthenticated
from rag.printable import one_line


def done_to_each(ids: Sequence[str], act: Callable[[str], object]) -> tuple[list[str], int]:
    """Those that ``act`` was done to, and how many it was refused for, each with its reason on stderr.

    A key that is not let in ends all of it.
    """
    done = []
    for each in ids:
        try:
            act(each)
        except Unauthenticated:
            raise
        except Permanent as error:
            print(one_line(f"aegis: {each}: {error or error.title}"), file=sys.stderr)
        else:
            done.append(each)
    return done, len(ids) - len(done)
