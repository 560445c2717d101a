"""``absent``: a key that had a matching event at t and none in (t, t + D]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from events.feeds import PHYSICAL
from events.times import format_ms
from events.transition import RANK, Evidence
from rules.arrays import NEVER, Ints, Renumbering, grown
from rules.book import AlertBook, Opening
from rules.jit import njit
from rules.keys import KeyIndex
from rules.kinds.runtime import SEVERITY_OF, Runtime
from rules.model import Rule
from rules.plan import REGION, FeedPlan
from rules.stretch import Stretch

#: states of a key: heard lately, missing with an open alert, missing and its alert resolved by a person
HEARD, MISSING, SETTLED = 0, 1, 2


@njit
def _listen(codes: Any, time: Any, regions: Any, size: int, last: Any, state: Any, region: Any, out: Any) -> int:
    """``out``: (row; time, state and region before) where an absence ended or lay between two events."""
    found = 0
    for i in range(len(codes)):
        k = codes[i]
        if last[k] != NEVER and time[i] > last[k] + size:
            out[found, 0] = i
            out[found, 1] = last[k]
            out[found, 2] = state[k]
            out[found, 3] = region[k]
            found += 1
            state[k] = HEARD
        last[k] = max(last[k], time[i])
        if regions[i] >= 0:
            region[k] = regions[i]
    return found


class Absent(Runtime):
    def __init__(
        self, rule: Rule, keys: KeyIndex, book: AlertBook, plan: FeedPlan, regions: KeyIndex, *, since: int = 0
    ) -> None:
        super().__init__(rule, keys, book)
        assert rule.absent_ms is not None
        self._size = rule.absent_ms
        self._mask = plan.mask(rule.where, since=since)
        self._codes = plan.key(keys)
        self._regions = regions
        self._types = {name: PHYSICAL[plan.catalog.field_type(rule.feed, name) or "string"] for name in rule.by}
        self._last: Ints = np.full(64, NEVER, np.int64)
        self._state: NDArray[np.int8] = np.zeros(64, np.int8)
        self._region: Ints = np.full(64, -1, np.int64)
        self._alert_of: dict[int, str] = {}  # by code
        self._next_due = -NEVER
        self._rank = max(RANK[name] for name, _ in rule.severity)

    def begin(self, at_ms: int) -> None:
        """Keys that must report count as heard when the rule comes into force."""
        if not self.rule.expect:
            return
        codes = [self.keys.code_of(key, self._types) for key in self.rule.expect]
        self._grow()
        for code in codes:
            if self._last[code] == NEVER:
                self._last[code] = at_ms
        self._next_due = min(self._next_due, self._due(at_ms))

    def take(self, stretch: Stretch) -> None:
        """Released rows; then whatever is missing by the watermark."""
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        self._grow()
        if len(rows):
            self._listen(stretch, rows)
        self._watch(stretch)

    def _listen(self, stretch: Stretch, rows: Ints) -> None:
        codes, time = stretch.columns[self._codes][rows], stretch.time[rows]
        known = stretch.columns.get(REGION)
        regions = np.full(len(rows), -1, np.int64) if known is None else known[rows]
        out = np.empty((len(rows), 4), np.int64)
        found = _listen(codes, time, regions, self._size, self._last, self._state, self._region, out)
        for i, last, state, region in out[:found].tolist():
            row = int(rows[i])
            code, when = int(codes[i]), int(time[i])
            due = self._due(last)
            if state == HEARD and due < when:  # the whole absence lies between two events of this stretch
                self._open(code, last, due, region, stretch)
                self._state[code] = HEARD
            alert = self._alert_of.pop(code, None)
            if alert is None:
                continue
            evidence = Evidence(
                self.rule.feed, self.key(code), format_ms(last), format_ms(when), (str(stretch.value(row, "id")),)
            )
            self.book.follow(
                alert,
                "closed",
                self.rule,
                self._opening(when, int(regions[i]) if regions[i] >= 0 else region, evidence),
                count=1,
                cause=stretch.passage.position(int(stretch.cause[row])),
            )
        # a key heard for the first time may be due before all others
        self._next_due = min(self._next_due, self._due(int(time[0])))

    def _due(self, last: int) -> int:
        """When the absence of what was heard last then is told: as it falls due, or when the rule's hours begin next."""
        due = last + self._size
        return due if self.rule.only is None else self.rule.only.next_begin(due)

    def _watch(self, stretch: Stretch) -> None:
        now = stretch.passage.end
        if now <= self._next_due:
            return
        last = self._last[: self.keys.size]
        waiting = (self._state[: self.keys.size] == HEARD) & (last != NEVER)
        for code in np.flatnonzero(waiting & (last + self._size < now)).tolist():
            due = self._due(int(last[code]))
            if due < now:
                self._open(code, int(last[code]), due, int(self._region[code]), stretch)
                waiting[code] = False
        self._next_due = self._due(int(last[waiting].min())) if waiting.any() else -NEVER

    def _open(self, code: int, last: int, when: int, region: int, stretch: Stretch) -> None:
        evidence = Evidence(self.rule.feed, self.key(code), format_ms(last), format_ms(when))
        cause = stretch.passage.position(int(stretch.passage.passed(when)))
        alert = self.book.open(self.rule, self.key(code), self._opening(when, region, evidence), cause=cause)
        self._state[code] = MISSING
        if alert is not None:
            self._alert_of[code] = alert

    def _opening(self, when: int, region: int, evidence: Evidence) -> Opening:
        key = evidence.key
        if "region" in key:
            place: str | None = str(key["region"])
        else:
            place = str(self._regions.key(region)["region"]) if region >= 0 and "subject" in key else None
        return Opening(
            at_ms=when,
            severity=SEVERITY_OF[self._rank],
            region=place,
            subject=str(key["subject"]) if "subject" in key else None,
            measures={},
            evidence=evidence,
        )

    def _grow(self) -> None:
        size = self.keys.size
        self._last = grown(self._last, size, NEVER)
        self._state = grown(self._state, size, HEARD)
        self._region = grown(self._region, size, -1)

    def resolve(self, alert: str) -> None:
        for code, name in list(self._alert_of.items()):
            if name == alert:
                del self._alert_of[code]
                self._state[code] = SETTLED

    def alerts(self) -> list[str]:
        return list(self._alert_of.values())

    def busy(self) -> Ints:
        """Who is waited for, and who is missing with an open alert; not who was resolved away and stays silent."""
        size = min(self.keys.size, len(self._last))
        waiting = np.flatnonzero((self._state[:size] == HEARD) & (self._last[:size] != NEVER))
        return np.concatenate([waiting, np.array(list(self._alert_of), np.int64)])

    def renumber(self, renumbering: Renumbering) -> None:
        self._last = renumbering.of(self._last)
        self._state = renumbering.of(self._state)
        self._region = renumbering.of(self._region)
        self._alert_of = {int(renumbering.new[code]): alert for code, alert in self._alert_of.items()}

    def state(self) -> dict[str, Any]:
        return {
            "last": self._last,
            "state": self._state,
            "region": self._region,
            "alert_of": list(self._alert_of.items()),
            "next_due": self._next_due,
            "keyless": self.keyless,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._last, self._state, self._region = state["last"], state["state"], state["region"]
        self._alert_of = dict(state["alert_of"])
        self._next_due = state["next_due"]
        self.keyless = state["keyless"]
