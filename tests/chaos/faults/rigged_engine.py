"""The vector engine with a trap after each upsert, when it is durable and not answered yet."""

import sys
from collections.abc import Sequence

from rag.model import Point
from rag.settings import load
from rag.vectors.edge import server
from rag.vectors.edge.store import EdgeVectorStore
from tests.chaos.faults.traps import Traps


class RiggedStore(EdgeVectorStore):
    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        super().upsert(collection, points)
        Traps(load().home).step_on("vectors.upserted")


if __name__ == "__main__":
    server.EdgeVectorStore = RiggedStore
    sys.exit(server.main())
