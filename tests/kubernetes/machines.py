"""The machines that the guide sizes each overlay for: docs/deploy/sizing.md."""

from tests.kubernetes.simulated import Machines

MACHINES: dict[str, tuple[Machines, ...]] = {
    "embedded": (Machines("single", 1, cores=8, memory=16),),
    "minimum": (Machines("general", 2, cores=8, memory=28),),
}
