"""Session windows: a key's events, none farther from the one before it than the gap, aggregated until the session is over.

Each session has a row of its own in the state (a *slot*), so that a batch in which one ends and the next begins is still taken in
columns. A session ends at last event + gap, or at first event + max if that is earlier; an event at that very instant belongs to it,
so it is over when the watermark has passed its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rules.aggregates import Inputs
from rules.arrays import NEVER, Bools, Floats, Ints, Renumbering, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.model import Aggregate, Window
from rules.panes import Fired
from rules.plan import REGION, FeedPlan
from rules.stretch import Stretch

#: columns of a slot
_CODE, _FIRST, _LAST, _REGION = range(4)


@njit
def _assign(
    codes: Any,
    time: Any,
    regions: Any,
    gap: int,
    longest: int,
    current: Any,
    before: Any,
    slots: Any,
    used: int,
    out: Any,
) -> int:
    """The slot of each row. ``current``: the key's session, -1 of none; ``before``: its region before that. -> slots in use."""
    for i in range(len(codes)):
        k = codes[i]
        t = time[i]
        s = current[k]
        if s < 0 or t > min(slots[s, _LAST] + gap, slots[s, _FIRST] + longest):
            region = slots[s, _REGION] if s >= 0 else before[k]
            s = used
            used += 1
            current[k] = s
            slots[s, _CODE] = k
            slots[s, _FIRST] = t
            slots[s, _REGION] = region
        slots[s, _LAST] = t
        if regions[i] >= 0:
            slots[s, _REGION] = regions[i]
        out[i] = s
    return used


class SessionTable:
    """All aggregates over one (where, by, session window); shared by the rules that ask for the same."""

    def __init__(
        self,
        *,
        mask: str | None,
        codes: str,
        keys: KeyIndex,
        window: Window,
        aggregates: list[Aggregate],
        plan: FeedPlan,
    ) -> None:
        self._mask = mask
        self._codes = codes
        self._keys = keys
        self._inputs = Inputs(aggregates, plan)
        self._gap = window.size_ms
        self._longest = window.max_ms
        self._current: Ints = np.full(64, -1, np.int64)
        self._slots: Ints = np.full((64, 4), NEVER, np.int64)
        self._used = 0
        self._stats = self._inputs.empty(64)
        self._regions: Ints = np.full(64, -1, np.int64)
        self._next_end = -NEVER
        self.keyless = 0

    def take(self, stretch: Stretch) -> Fired | None:
        """Aggregate released rows, and fire every session that is over by the watermark."""
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        if len(rows):
            self._take(stretch, rows)
        if stretch.passage.end <= self._next_end:
            return None
        return self._fire(stretch.passage.end)

    def _take(self, stretch: Stretch, rows: Ints) -> None:
        codes, time = stretch.columns[self._codes][rows], stretch.time[rows]
        known = stretch.columns.get(REGION)
        regions = np.full(len(rows), -1, np.int64) if known is None else known[rows]
        self._current = grown(self._current, self._keys.size, -1)
        self._regions = grown(self._regions, self._keys.size, -1)
        self._slots = grown(self._slots, self._used + len(rows), NEVER)
        slots = np.empty(len(rows), np.int64)
        self._used = _assign(
            codes,
            time,
            regions,
            self._gap,
            self._longest,
            self._current,
            self._regions,
            self._slots,
            self._used,
            slots,
        )
        self._stats = self._inputs.grow(self._stats, self._used)
        columns = self._inputs.read(stretch, rows)
        self._inputs.add(self._stats, slots, columns, 0, len(rows))
        self._inputs.samples.add(slots, columns, 0, len(rows))
        self._next_end = int(self._ends().min())

    def _ends(self) -> Ints:
        slots = self._slots[: self._used]
        return np.minimum(slots[:, _LAST] + self._gap, slots[:, _FIRST] + self._longest)

    def _fire(self, limit: int) -> Fired | None:
        ends = self._ends()
        over = ends < limit
        if not over.any():
            return None
        # by end, then by key: the order in which sessions began depends on nothing that matters
        closed = np.flatnonzero(over)
        closed = closed[np.lexsort((closed, ends[closed]))]
        slots = self._slots[closed]
        stats = {name: array[closed] for name, array in self._stats.items()}
        values = self._inputs.finish(stats)
        samples = self._inputs.samples
        if samples.columns:
            values |= samples.finish(samples.close_some(closed), closed)
        # rising by end, so the newest of a key's sessions stays
        self._regions[slots[:, _CODE]] = slots[:, _REGION]
        self._keep(~over)
        self._inputs.tidy_texts(self._columns)
        return Fired(slots[:, _FIRST], ends[closed], slots[:, _CODE], slots[:, _REGION], values)

    def _keep(self, keep: Bools) -> None:
        """Only some slots, under new numbers."""
        renumbering = Renumbering(keep)
        self._slots = renumbering.of(self._slots)
        for name, array in self._stats.items():
            self._stats[name] = renumbering.of(array)
        self._inputs.samples.renumber(renumbering)
        self._used = len(self._slots)
        self._stats = self._inputs.grow(self._stats, max(64, self._used))
        self._current[:] = -1
        # a key has one session that goes on, or, of several, the newest
        self._current[self._slots[:, _CODE]] = np.arange(self._used)
        self._next_end = int(self._ends().min()) if self._used else -NEVER

    def _columns(self, column: str) -> Iterator[Floats]:
        """Every array of a column's first and last."""
        names = (f"{column}/first", f"{column}/last")
        return (self._stats[name] for name in names if name in self._stats)

    def busy(self) -> Ints:
        """Codes with a session that is not over."""
        return self._slots[: self._used, _CODE]

    def renumber(self, renumbering: Renumbering) -> None:
        codes = self._slots[: self._used, _CODE]
        self._slots[: self._used, _CODE] = renumbering.new[codes]
        self._current = renumbering.of(self._current)
        self._regions = renumbering.of(self._regions)

    def state(self) -> dict[str, Any]:
        return {
            "slots": self._slots[: self._used],
            "stats": {name: array[: self._used] for name, array in self._stats.items()},
            "samples": self._inputs.samples.state(),
            "texts": self._inputs.texts_state(),
            "regions": self._regions,
            "keyless": self.keyless,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._slots, self._used = state["slots"], len(state["slots"])
        empty = self._inputs.empty(self._used)
        # what a rule that joined this table asks for is not known of sessions from before
        self._stats = {name: state["stats"].get(name, array) for name, array in empty.items()}
        self._inputs.samples.load(state["samples"])
        self._inputs.load_texts(state["texts"])
        self._regions = state["regions"]
        self.keyless = state["keyless"]
        self._current = np.full(max(self._keys.size, 64), -1, np.int64)
        self._current[self._slots[:, _CODE]] = np.arange(self._used)
        self._next_end = int(self._ends().min()) if self._used else -NEVER
