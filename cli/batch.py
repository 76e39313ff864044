"""The same done to several things, of which some may not be there, or refuse it."""

import sys
from collections.abc import Callable, Iterable

from rag.errors import Permanent, Unauthenticated
from rag.printable import one_line


def do_to_each(
    given: Iterable[str], named: Callable[[str], str], act: Callable[[str], object]
) -> tuple[list[str], int]:
    """The ids of those that ``act`` was done to, and how many it was not, each with its reason on stderr.

    ``named`` makes a whole id of what was given. A key that is not let in ends all of it.
    """
    done: list[str] = []
    failed = 0
    for each in dict.fromkeys(given):
        try:
            whole = named(each)
            if whole not in done:
                act(whole)
                done.append(whole)
        except Unauthenticated:
            raise
        except Permanent as error:
            print(one_line(f"aegis: {each}: {error or error.title}"), file=sys.stderr)
            failed += 1
    return done, failed
