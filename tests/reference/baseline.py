"""Baselines: a window's measures beside those of earlier windows of its key."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tests.reference.panes import Panes
from tests.reference.rule import Key, RefBaseline, RefRule

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Baselined(Panes):
    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        #: what each window of a key came to; they are judged in order of time
        self.judged: dict[tuple[Key, int], dict[str, Any]] = {}

    def measures(self, values: Key, end: int) -> dict[str, Any]:
        found = super().measures(values, end)
        for baseline in self.rule.baselines:
            plain = self.key_dict(values) | found
            earlier = [self._earlier(values, window) for window in self._windows(values, end, baseline)]
            # All of one baseline look at what was there before it.
            found = found | {name: measure(plain, earlier) for name, measure in baseline.measures.items()}
        self.judged[values, end] = found
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
        found = sorted(over for over in self.all_ends[values] if over <= end)
        first = found[0]
        for before, after in itertools.pairwise(found):
            if after - before > self.rule.forget - self.rule.window.size:
                first = after
        return first

    def _earlier(self, values: Key, end: int) -> dict[str, Any]:
        """A window without an event is one over nothing, and nobody asked for its baselines."""
        measured = self.judged.get((values, end)) or super().measures(values, end)
        return self.key_dict(values) | measured
