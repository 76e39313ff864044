"""The machines that the guide sizes each overlay for: deploy/terraform/modules/sizes makes the same."""

from tests.kubernetes.simulated import Machines

_VECTORS = "aegis-rag/pool=vectors:NoSchedule"
_GPU = "nvidia.com/gpu=present:NoSchedule"

_CLOUD = (
    Machines("general", 6, cores=8, memory=32, labels={"aegis-rag/pool": "general"}),
    Machines("vectors", 3, cores=8, memory=32, labels={"aegis-rag/pool": "vectors"}, taint=_VECTORS),
    Machines("gpu", 2, cores=4, memory=16, gpus=1, labels={"aegis-rag/pool": "gpu"}, taint=_GPU),
)

MACHINES: dict[str, tuple[Machines, ...]] = {
    "embedded": (Machines("single", 1, cores=4, memory=16),),
    "minimum": (Machines("general", 2, cores=8, memory=28),),
    "recommended": (
        Machines("general", 9, cores=8, memory=32),
        Machines("gpu", 2, cores=4, memory=16, gpus=1, labels={"aegis-rag/pool": "gpu"}, taint=_GPU),
    ),
    "aws": _CLOUD,
    "azure": _CLOUD,
    "gcp": _CLOUD,
}
