"""Gives up what a process has: root, capabilities, new privileges, inspection, shared namespaces."""

import errno
import os
import struct

from rag.isolation import kernel

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_NOBODY = 65534
_NEW_USER = 0x10000000
_NEW_NETWORK, _NEW_IPC, _NEW_UTS = 0x40000000, 0x08000000, 0x04000000


def leave_namespaces() -> None:
    """Move to empty namespaces of the network, of IPC and of host names.

    For a process with one thread. Raises OSError where the system does not allow it, as most container
    runtimes do not.
    """
    wanted = _NEW_NETWORK | _NEW_IPC | _NEW_UTS
    try:
        kernel.call("unshare", wanted)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        kernel.call("unshare", _NEW_USER | wanted)  # root of a user namespace of its own may do it


def become_nobody() -> None:
    """Leave root for a user that owns nothing. Raises OSError where there is no such user."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def drop_capabilities() -> None:
    """Drop all of them, also those in a user namespace of its own. Raises OSError."""
    kernel.call("capset", struct.pack("=Ii", _CAPABILITIES, 0), bytes(24))


def renounce_new_privileges() -> None:
    """Have no program that it executes, setuid or not, get more privileges. Raises OSError."""
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def forbid_inspection() -> None:
    """Refuse ``/proc/PID/environ``, memory and ptrace to other processes of the same user. Raises OSError."""
    kernel.prctl(_PR_SET_DUMPABLE, 0)


def allow_inspection() -> None:
    """Undo :func:`forbid_inspection`, which a forked process has from its parent. Raises OSError."""
    if kernel.LINUX:
        kernel.prctl(_PR_SET_DUMPABLE, 1)
