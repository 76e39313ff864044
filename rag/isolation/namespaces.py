"""Namespaces of one's own: an empty network, no shared memory of others, a host name of one's own."""

import errno

from rag.isolation import kernel

_NEW_USER = 0x10000000
_NEW_NETWORK, _NEW_IPC, _NEW_UTS = 0x40000000, 0x08000000, 0x04000000


def leave() -> None:
    """Move to empty ones, and into a user namespace where that is what allows it.

    For a process with one thread. Raises OSError where the system does not let us, as most
    container runtimes do not.
    """
    wanted = _NEW_NETWORK | _NEW_IPC | _NEW_UTS
    try:
        kernel.call("unshare", wanted)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        kernel.call("unshare", _NEW_USER | wanted)
