"""The order of instants that lie close together, as those of one batch do."""

from __future__ import annotations

from typing import Any

import numpy as np

from rules.arrays import Ints
from rules.jit import njit

#: Bits of a digit.
_BITS = 11
#: A span of more digits is left to NumPy.
_MOST = 3


@njit
def _by_digits(times: Any, least: int, digits: int, order: Any, other: Any) -> None:
    """Least digit first; ``order`` holds the rows in their order, ``other`` is room for as many."""
    mask = (1 << _BITS) - 1
    count = np.empty(mask + 2, np.int64)
    for digit in range(digits):
        shift = digit * _BITS
        count[:] = 0
        for i in range(len(times)):
            count[((times[i] - least) >> shift & mask) + 1] += 1
        for j in range(mask):
            count[j + 1] += count[j]
        for i in range(len(times)):
            at = (times[order[i]] - least) >> shift & mask
            other[count[at]] = order[i]
            count[at] += 1
        for i in range(len(times)):
            order[i] = other[i]


def order_of(times: Ints) -> Ints | None:
    """A stable order of the rows by time; None where they are in order."""
    if len(times) < 2 or not np.any(times[1:] < times[:-1]):
        return None
    least, greatest = int(times.min()), int(times.max())
    digits = -(-(greatest - least).bit_length() // _BITS)
    if digits > _MOST or len(times) < 256:
        return np.argsort(times, kind="stable")
    order = np.arange(len(times), dtype=np.int64)
    _by_digits(times, least, digits, order, np.empty_like(order))
    return order
