"""``python -m workers.liveness LANE|beat``: a container's health check.

Prints one line about this host's worker of the lane, or beat, and exits with 0 while it is
alive, 1 when it hangs or sends no heartbeat. While the broker is away nothing can be told, and
the exit status is 0 too: to restart a worker would not bring the broker back.
"""

import os
import sys
from socket import gethostname

from rag.errors import AegisError, Transient
from rag.redis.connection import connect_to
from rag.redis.heartbeats import BEAT, Heartbeats, Signs
from rag.settings import load
from tasks.app import LANES

_SECONDS = 2.0


def examine(signs: Signs, subject: str, host: str) -> tuple[bool, str]:
    """Whether ``subject``, a lane or "beat", is alive on ``host``, and a line that says so."""
    if subject == BEAT:
        alive = any(beat["host"] == host for beat in signs.beats)
        return alive, f"{BEAT}@{host} {'ticks' if alive else 'shows no sign of life'}"
    node = f"{subject}@{host}"
    hangs = [sign.hang() for sign in signs.lane(subject) if sign.worker == node]
    if not hangs:
        return False, f"{node} shows no sign of life"
    if None in hangs:
        return True, f"{node} takes tasks"
    return False, f"{node} hangs: {hangs[0]}"


def main(arguments: list[str]) -> int:
    subjects = [BEAT, *(lane.name for lane in LANES)]
    if len(arguments) != 1 or arguments[0] not in subjects:
        sys.stderr.write(f"python -m workers.liveness, then one of {', '.join(subjects)}\n")
        return os.EX_USAGE
    try:
        with connect_to(load().records_url, timeout=_SECONDS) as client:
            alive, line = examine(Heartbeats(client).read_signs(), arguments[0], gethostname())
    except Transient as error:
        alive, line = True, f"nothing can be proven while the broker is away: {error}"
    except AegisError as error:
        alive, line = False, str(error)
    sys.stdout.write(f"{line}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
