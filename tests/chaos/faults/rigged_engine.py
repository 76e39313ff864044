"""The vector engine with a trap after each upsert, when it is durable and not answered yet."""

import sys
from collections.abc import Sequence

from rag.model import Point
from rag.settings import load
from rag.stores.vectors import engine
from rag.stores.vectors.edge import EdgeVectorStore
from tests.chaos.faults.traps import Traps


class RiggedStore(EdgeVectorStore):
    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        super().upsert(collection, points)
        Traps(load().home).step_on("vectors.upserted")


if __name__ == "__main__":
    engine.EdgeVectorStore = RiggedStore
    sys.exit(engine.main())
