"""``python -P -m rag.isolation.probe``: prints which measures hold on this system, as JSON.

They are found as the parsing process finds them, for a confinement without files and network.
"""

import sys

from rag.isolation.confinement import Confinement
from rag.isolation.mechanisms import leave_network, packed, survey


def main() -> None:
    measures = (leave_network(), *survey(Confinement()))
    sys.stdout.write(packed(measures).decode())


if __name__ == "__main__":
    main()
