"""What rules that judge the same events by the same keys share as these arrive: which they are, and which come out of order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rules.arrays import NEVER, Bools, Ints, Renumbering, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.stretch import TIME, Stretch


@njit
def _order(codes: Any, time: Any, newest: Any, late: Any) -> None:
    """``newest``: of each key; an older event neither closes nor updates."""
    for i in range(len(codes)):
        k = codes[i]
        late[i] = time[i] < newest[k]
        if not late[i]:
            newest[k] = time[i]


@dataclass(frozen=True)
class Arrived:
    """Events to be judged. ``rows``: of the stretch; the arrays have one entry a row. ``before``: the watermark as each came.

    ``late``: those older than one of their key before.
    """

    rows: Ints
    code: Ints
    time: Ints
    before: Ints
    late: Bools


class Arrivals:
    """The newest event of each key."""

    def __init__(self, mask: str | None, codes: str, keys: KeyIndex) -> None:
        self._mask = mask
        self._codes = codes
        self._keys = keys
        self._newest: Ints = np.full(64, NEVER, np.int64)

    def take(self, stretch: Stretch) -> tuple[Arrived | None, int]:
        """The next events, and how many others there were without a whole key."""
        rows, keyless = stretch.select(self._mask, self._codes)
        if not len(rows):
            return None, keyless
        code, time = stretch.some(self._codes, rows), stretch.some(TIME, rows)
        self._newest = grown(self._newest, self._keys.size, NEVER)
        late = np.empty(len(rows), np.bool_)
        _order(code, time, self._newest, late)
        return Arrived(rows, code, time, stretch.passage.before(stretch.cause[rows]), late), keyless

    def busy(self) -> Ints:
        """No key is kept for this."""
        return np.zeros(0, np.int64)

    def renumber(self, renumbering: Renumbering) -> None:
        self._newest = renumbering.of(self._newest)

    def state(self) -> dict[str, Any]:
        return {"newest": self._newest}

    def load(self, state: dict[str, Any]) -> None:
        self._newest = state["newest"]
