"""Baselines: a window's measures beside those of earlier windows of its key."""

from __future__ import annotations

import itertools
from typing import Any

from tests.reference.panes import Panes
from tests.reference.rule import Key, RefBaseline


class Baselined(Panes):
    """Nothing is kept but the events: what an earlier window measured is worked out again where it is asked for."""

    def measures(self, values: Key, end: int) -> dict[str, Any]:
        found = super().measures(values, end)
        for baseline in self.rule.baselines:
            plain = self.key_dict(values) | found
            earlier = [self._earlier(values, window) for window in self._windows(values, end, baseline)]
            # All of one baseline look at what was there before it.
            found = found | {name: measure(plain, earlier) for name, measure in baseline.measures.items()}
        return found

    def _windows(self, values: Key, end: int, baseline: RefBaseline) -> list[int]:
        """Their ends, oldest first. Before the key's first window there are none."""
        first = self._first(values, end)
        ends = [end - baseline.every * back for back in range(baseline.skip + 1, baseline.skip + baseline.last + 1)]
        return sorted(earlier for earlier in ends if earlier >= first)

    def _first(self, values: Key, end: int) -> int:
        """The end of the key's first window. Decided: a key that was forgotten has its first window again; and so that it does not
        matter when the engine forgets, that is when more than ``forget`` lies between two windows, one window's size taken off.
        """
        assert self.rule.window
        found = sorted({over for event in self.events[values] for over in self.ends_over(event["time"]) if over <= end})
        first = found[0]
        for before, after in itertools.pairwise(found):
            if after - before > self.rule.forget - self.rule.window.size:
                first = after
        return first

    def _earlier(self, values: Key, end: int) -> dict[str, Any]:
        """A window without an event is one over nothing, and nobody asked for its baselines."""
        assert self.rule.window
        start = end - self.rule.window.size
        if any(start <= event["time"] < end for event in self.events[values]):
            return self.key_dict(values) | self.measures(values, end)
        return self.key_dict(values) | super().measures(values, end)
