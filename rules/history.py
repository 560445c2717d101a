"""What the windows of each key came to, as far back as a baseline reaches: a ring of numbers for each measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rules.arrays import NEVER, Bools, Floats, Ints, Renumbering, grown

_FAR = -NEVER


class History:
    """``depth``: windows kept; ``step_ms``: from one window's end to the next. ``empty``: each measure over no events, NaN for null.

    ``silent_ms``: a key without a window for longer than that begins anew, whether it was forgotten by then or not.
    8 bytes a key, measure and window of ``depth``, and as much again for which windows there were.
    """

    def __init__(self, *, depth: int, step_ms: int, silent_ms: int, empty: Mapping[str, float]) -> None:
        self._depth = depth
        self._step = step_ms
        self._silent = silent_ms
        self._empty = dict(empty)
        self._values: dict[str, Floats] = {name: np.full((0, depth), np.nan) for name in empty}
        #: the end of the window in each place, and of each key's first and last window
        self._ends: Ints = np.full((0, depth), NEVER, np.int64)
        self._first: Ints = np.full(0, _FAR, np.int64)
        self._last: Ints = np.full(0, NEVER, np.int64)

    def begin(self, codes: Ints, end: int) -> None:
        """These keys have a window that ends here: before they are held against anything."""
        self._grow(int(codes.max()) + 1)
        anew = end - self._last[codes] > self._silent
        self._first[codes[anew]] = end
        self._last[codes] = end

    def add(self, codes: Ints, end: int, values: Mapping[str, Floats]) -> None:
        """One window of these keys, none of which has a later one."""
        place = end // self._step % self._depth
        self._ends[codes, place] = end
        for name, value in values.items():
            self._values[name][codes, place] = value

    def earlier(self, codes: Ints, ends: Sequence[int], names: Sequence[str]) -> tuple[Bools, dict[str, Floats]]:
        """For each key and end whether there was a window (perhaps an empty one), and its measures; NaN of none."""
        at = np.array(ends, np.int64)
        places = at // self._step % self._depth
        cells = codes[:, None], places
        there = self._ends[cells] == at
        known = at >= self._first[codes][:, None]
        values = {}
        for name in names:
            filled = np.where(there, self._values[name][cells], self._empty[name])
            values[name] = np.where(known, filled, np.nan)
        return known, values

    def _grow(self, keys: int) -> None:
        self._ends = grown(self._ends, keys, NEVER)
        self._first = grown(self._first, keys, _FAR)
        self._last = grown(self._last, keys, NEVER)
        self._values = {name: grown(array, keys, np.nan) for name, array in self._values.items()}

    def renumber(self, renumbering: Renumbering) -> None:
        self._ends, self._first = renumbering.of(self._ends), renumbering.of(self._first)
        self._last = renumbering.of(self._last)
        self._values = {name: renumbering.of(array) for name, array in self._values.items()}

    def state(self) -> dict[str, Any]:
        return {"ends": self._ends, "first": self._first, "last": self._last, "values": self._values}

    def load(self, state: dict[str, Any]) -> None:
        self._ends, self._first, self._last = state["ends"], state["first"], state["last"]
        self._values = state["values"]
