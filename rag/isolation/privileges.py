"""What a process gives up for good: root, capabilities, new privileges, being looked into."""

import os
import struct

from rag.isolation import kernel

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_NOBODY = 65534


def become_nobody() -> None:
    """Leave root for a user that owns nothing. Raises OSError where there is no such user."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def drop_capabilities() -> None:
    """Those of a user namespace of its own too. Raises OSError."""
    kernel.call("capset", struct.pack("=Ii", _CAPABILITIES, 0), bytes(24))


def renounce_new_privileges() -> None:
    """No program that is executed, setuid or not, gets more than this process has. Raises OSError."""
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def forbid_inspection() -> None:
    """Refuse ``/proc/PID/environ``, memory and ptrace to other processes of the same user. Raises OSError."""
    kernel.prctl(_PR_SET_DUMPABLE, 0)


def allow_inspection() -> None:
    """Raises OSError."""
    kernel.prctl(_PR_SET_DUMPABLE, 1)
