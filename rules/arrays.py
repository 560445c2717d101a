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


class Renumbering:
    """Keys were forgotten: ``keep[old]`` says which stay, ``new[old]`` is the code of a key that stays (-1 of others)."""

    def __init__(self, keep: Bools) -> None:
        self.keep = keep
        self.new: Ints = np.where(keep, np.cumsum(keep) - 1, -1)

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array by code, of the keys that stay. (It may be longer than there are keys, or shorter.)"""
        return array[: len(self.keep)][self.keep[: len(array)]]


def grown(array: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    """``array`` with room for ``size`` entries (or rows), at least doubled when it must grow; new entries hold ``fill``."""
    if len(array) >= size:
        return array
    bigger = np.full((max(size, 2 * len(array), 64), *array.shape[1:]), fill, dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger
