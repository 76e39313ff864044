"""Types that have no class of their own."""

from typing import TYPE_CHECKING, Any

from rag.jsontypes import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
else:
    Vector = Any  # numpy takes longer to load than a whole command of a client

__all__ = ["Json", "Vector"]
