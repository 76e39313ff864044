"""``aegis up`` with services that have traps in them: ``python -m tests.chaos.faults.rigged_stack``.

The supervisor, the order, the probes and the arguments are those of ``cli.supervisor.services``; only the
module that a service starts from is another one, which wraps the service's own.
"""

import sys
from dataclasses import replace

from cli.supervisor import services as stack
from cli.supervisor.display import Display
from cli.supervisor.service import Service
from cli.supervisor.up import up
from rag.settings import Settings, load

RIGGED = {
    "workers.main": "tests.chaos.faults.rigged_worker",
    "rag.vectors.edge.server": "tests.chaos.faults.rigged_engine",
    "api.server": "tests.chaos.faults.rigged_api",
}

_services = stack.services


def services(settings: Settings) -> list[Service]:
    """The stack's services, those that can be rigged from their rigged modules."""
    return [
        replace(service, command=[RIGGED.get(word, word) for word in service.command])
        for service in _services(settings)
    ]


if __name__ == "__main__":
    stack.services = services
    sys.exit(up(load(), Display()))
