"""``python -P -m rag.isolation.probe``: what holds on this system for a process without files and network.

Prints the measures as JSON, found as the parsing process finds them.
"""

import sys

from rag.isolation.confinement import Confinement
from rag.isolation.mechanisms import leave_network, packed, survey


def main() -> None:
    measures = (leave_network(), *survey(Confinement()))
    sys.stdout.write(packed(measures).decode())


if __name__ == "__main__":
    main()
