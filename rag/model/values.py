"""Types that have no class of their own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]
Vector = NDArray[np.float32]
