"""Arrays that grow with the number of keys, and their form in a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: "Never so far" as an instant: below every time, with room to add and subtract durations.
NEVER = -(1 << 60)


def grown(array: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    """``array`` with room for ``size`` entries, at least doubled when it must grow; new entries hold ``fill``."""
    if len(array) >= size:
        return array
    bigger = np.full(max(size, 2 * len(array), 64), fill, dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger
