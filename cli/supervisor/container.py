"""What a container runs: one service of the stack, in place of this process.

``python -m cli.supervisor.container worker-embed``. Names and commands are those of ``aegis up``. The
container runtime does what the supervisor does there: order, restarts and stopping.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from cli.supervisor.environment import environment
from cli.supervisor.service import Service
from cli.supervisor.services import API, BROKER, FLOWER, broker, makers
from rag.errors import AegisError, ConfigurationError
from rag.settings import Settings, load
from rag.startup import require_closed_api, require_closed_broker, require_closed_flower, write_refusal
from rag.system.folders import keep_private, private_folder

_EXPOSURE_CHECKS = {API: require_closed_api, BROKER: require_closed_broker, FLOWER: require_closed_flower}


def choose(arguments: Sequence[str], settings: Settings) -> Service:
    """The service that the one argument names; no other is made.

    With BROKER_HOST the broker can be run even where REDIS_URL says how the other parts reach it.
    ConfigurationError with the known names for any other, and for a service that would be open to everybody.
    """
    known = dict(makers(settings))
    if settings.broker_host:
        known.setdefault(BROKER, partial(broker, settings))
    if len(arguments) != 1 or arguments[0] not in known:
        raise ConfigurationError(f"name one part to run; with these settings there are {', '.join(known)}")
    (name,) = arguments
    if name in _EXPOSURE_CHECKS:
        _EXPOSURE_CHECKS[name](settings)
    return known[name]()


def become(service: Service, settings: Settings) -> NoReturn:
    """Replace this process by the service's program, in the folder where services run. Raises OSError."""
    keep_private()
    private_folder(settings.run_dir)
    os.chdir(settings.run_dir)
    variables = {**environment(settings), **service.environment}
    os.execvpe(service.command[0], list(service.command), variables)  # noqa: S606 - no shell is meant


def main() -> NoReturn:
    try:
        settings = load()
        become(choose(sys.argv[1:], settings), settings)
    except (AegisError, OSError) as error:
        write_refusal("aegis", str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
