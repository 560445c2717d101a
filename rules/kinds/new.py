"""``new``: the first event with values that were not seen for its key lately."""

from __future__ import annotations

from typing import Any

import numpy as np

from events.times import format_ms
from events.transition import Evidence
from rules.arrays import NEVER, Ints, Renumbering, grown
from rules.book import AlertBook, Opening
from rules.jit import njit
from rules.keys import KeyIndex
from rules.kinds.matches import Matches
from rules.kinds.runtime import SEVERITY_OF, Shown, event_value
from rules.model import Rule
from rules.plan import FeedPlan
from rules.stretch import Stretch


@njit
def _meet(codes: Any, time: Any, memory: int, seen: Any, out: Any) -> int:
    """``out``: the rows whose key and values were not seen in the ``memory`` before them. -> how many."""
    found = 0
    for i in range(len(codes)):
        k = codes[i]
        if seen[k] == NEVER or time[i] - seen[k] > memory:
            out[found] = i
            found += 1
        seen[k] = time[i]
    return found


class New(Matches):
    """``keys``: over the fields of ``by`` and the new ones together."""

    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, plan: FeedPlan, *, since: int = 0) -> None:
        super().__init__(rule, keys, book)
        self._mask = plan.mask(rule.where, rule.only, since=since)
        self._codes = plan.key(keys)
        self._rank = plan.verdict(rule)
        self._shown = Shown(rule, plan.catalog)
        self.text = self._shown.columns
        self._begun: int | None = None
        self._seen: Ints = np.full(64, NEVER, np.int64)
        self._now = NEVER

    def begin(self, at_ms: int) -> None:
        if self._begun is None:
            self._begun = at_ms

    def take(self, stretch: Stretch) -> None:
        """Released rows, in (time, arrival) order."""
        self._now = stretch.passage.end
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        if len(rows):
            self._meet(stretch, rows)
        self.clear_before(self._now, stretch.passage)

    def _meet(self, stretch: Stretch, rows: Ints) -> None:
        assert self._begun is not None, "a rule is in force before it sees events"
        self._seen = grown(self._seen, self.keys.size, NEVER)
        codes, time = stretch.columns[self._codes][rows], stretch.time[rows]
        out = np.empty(len(rows), np.int64)
        found = _meet(codes, time, self.rule.memory_ms, self._seen, out)
        rank = stretch.columns[self._rank][rows]
        for i in out[:found].tolist():
            when, row = int(time[i]), int(rows[i])
            if rank[i] == 0 or when < self._begun + self.rule.learn_ms:
                continue
            key = self.key(int(codes[i]))
            opening = Opening(
                at_ms=when,
                severity=SEVERITY_OF[int(rank[i])],
                region=event_value(stretch, row, "region"),
                subject=event_value(stretch, row, "subject"),
                measures=self._shown.values(stretch, row),
                evidence=Evidence(
                    self.rule.feed, key, format_ms(when), format_ms(when), (str(stretch.value(row, "id")),)
                ),
            )
            self.match(key, opening, stretch.passage.position(int(stretch.cause[row])))

    def busy(self) -> Ints:
        """What is still remembered."""
        size = min(self.keys.size, len(self._seen))
        return np.flatnonzero(self._seen[:size] >= self._now - self.rule.memory_ms)

    def renumber(self, renumbering: Renumbering) -> None:
        self._seen = renumbering.of(self._seen)

    def state(self) -> dict[str, Any]:
        return super().state() | {"begun": self._begun, "seen": self._seen, "now": self._now}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._begun, self._seen, self._now = state["begun"], state["seen"], state["now"]
