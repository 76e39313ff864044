"""What a cluster needs of the machine: missing, its tests skip on a laptop and fail in CI."""

import os
import shutil
from collections.abc import Iterable

from tests.building import NotBuildableError
from tests.chaos.requirements import missing
from tests.kubernetes.build import all_built, program
from tests.kubernetes.kubectl import tool
from tests.kubernetes.programs import DEBIAN

_SYSTEM = ("ip", "sysctl", "setpriv", "umount")
_NODE = ("iptables", "nft", "ipset", "conntrack")


def require_cluster(names: Iterable[str]) -> None:
    """Skip or fail unless a cluster of these programs can run here. CI builds what is missing."""
    if os.geteuid() != 0:
        missing("root, for a network namespace")
    _require_commands(_SYSTEM)
    wanted = list(names)
    if not os.environ.get("CI") and not all_built(wanted):
        missing("the programs of Kubernetes: make kubernetes builds them, in about 15 minutes")
    try:
        tool("kubectl")
        for name in (*wanted, *DEBIAN):
            program(name)
    except NotBuildableError as error:
        missing(str(error))


def require_node() -> None:
    """Skip or fail unless a real node can run here."""
    _require_commands(_NODE)


def _require_commands(commands: Iterable[str]) -> None:
    for command in commands:
        if shutil.which(command) is None:
            missing(f"the program {command}")
