"""The same done to several things, of which some may not be there, or refuse it."""

import sys
from collections.abc import Callable, Iterable

from rag.errors import AegisError, Forbidden, Permanent, Unauthenticated
from rag.printable import one_line


def do_to_each(
    given: Iterable[str], named: Callable[[str], str], act: Callable[[str], object]
) -> tuple[list[str], list[AegisError]]:
    """The ids of those that ``act`` was done to, and why it was not to others, which is on stderr too.

    ``named`` makes a whole id of what was given. A key that is not let in, or may not, ends all of it.
    """
    done: list[str] = []
    errors: list[AegisError] = []
    for each in dict.fromkeys(given):
        try:
            whole = named(each)
            if whole not in done:
                act(whole)
                done.append(whole)
        except (Unauthenticated, Forbidden):
            raise
        except Permanent as error:
            print(one_line(f"aegis: {each}: {error or error.title}"), file=sys.stderr)
            errors.append(error)
    return done, errors
