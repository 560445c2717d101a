"""``sequence``: steps in order for one key. Only events that can play a role come here, one at a time: they are rare."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from events.times import format_ms
from events.transition import Evidence
from rules.arrays import Bools, Ints, Renumbering
from rules.book import AlertBook, Opening
from rules.keys import KeyIndex
from rules.kinds.matches import Matches
from rules.kinds.runtime import event_value
from rules.model import Expr, Rule
from rules.plan import FeedPlan
from rules.stretch import Passage, Stretch


class Candidate(NamedTuple):
    """An event that matches a step or an ``unless``. ``roles``: bit 2i for step i, bit 2i+1 for the unless before step i.

    ``turn``: transitions of alerts have the position of the record that caused them; they come after its event, in their order.
    """

    time: int
    pos: int
    turn: int
    code: int
    roles: int
    id: str
    region: str | None
    subject: str | None


@dataclass(slots=True)
class _Partial:
    start: int
    step: int  # the step it waits for
    events: list[str]
    region: str | None
    subject: str | None


class Sequence(Matches):
    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, plans: dict[str, FeedPlan]) -> None:
        super().__init__(rule, keys, book)
        assert rule.within_ms is not None
        self._within = rule.within_ms
        self._columns: dict[str, tuple[str, str]] = {}
        for feed in sorted(rule.feeds):
            masks: list[tuple[int, Expr | None]] = []
            for i, step in enumerate(rule.sequence):
                if step.feed == feed:
                    masks.append((2 * i, step.where))
                if step.unless is not None and step.unless[0] == feed:
                    masks.append((2 * i + 1, step.unless[1]))
            plan = plans[feed]
            self._columns[feed] = (
                plan.roles(f"{rule.id} {rule.version}", masks, rule.only),
                plan.key(keys),
            )
        self._waiting: list[Candidate] = []  # not yet released, a heap by (time, pos)
        self._partials: dict[int, _Partial] = {}  # by code
        self._due: list[tuple[int, int]] = []  # (start + within, code), a heap; may name partials that are gone
        self._last_absent = rule.sequence[-1].absent

    def arrive(self, feed: str, stretch: Stretch, on_time: Bools, positions: Ints, *, numbered: bool = False) -> None:
        """On-time events of one of the rule's feeds, in arrival order, to be released by the least of the feeds' watermarks.

        ``numbered``: several may have one position.
        """
        roles_column, codes_column = self._columns[feed]
        roles, codes = stretch.columns[roles_column], stretch.columns[codes_column]
        matching = np.flatnonzero((roles != 0) & on_time)
        for row in matching.tolist():
            if codes[row] < 0:
                self.keyless += 1
                continue
            candidate = Candidate(
                int(stretch.time[row]),
                int(positions[row]),
                row + 1 if numbered else 0,
                int(codes[row]),
                int(roles[row]),
                str(stretch.value(row, "id")),
                event_value(stretch, row, "region"),
                event_value(stretch, row, "subject"),
            )
            heapq.heappush(self._waiting, candidate)

    def release(self, passage: Passage) -> None:
        """Take what the watermark has reached, in (time, arrival) order; then let partial matches and alerts run out."""
        now = passage.end
        while self._waiting and self._waiting[0].time <= now:
            candidate = heapq.heappop(self._waiting)
            self._expire(candidate.time, passage)
            # released by the record that moved the watermark to it, or by its own arrival where the watermark stood there
            cause = max(passage.position(int(passage.reached(candidate.time))), candidate.pos)
            self._play(candidate, cause)
        self._expire(now, passage)

    def _play(self, event: Candidate, cause: int) -> None:
        partial = self._partials.get(event.code)
        steps = self.rule.sequence
        if partial is None:
            if event.roles & 1:
                self._begin(event, cause)
            return
        step = partial.step
        if event.roles & (1 << (2 * step + 1)):
            del self._partials[event.code]
        elif event.roles & (1 << (2 * step)):
            if steps[step].absent:
                del self._partials[event.code]
                return
            partial.events.append(event.id)
            partial.region, partial.subject = event.region or partial.region, event.subject or partial.subject
            partial.step += 1
            if partial.step == len(steps):
                del self._partials[event.code]
                self._match(event.code, partial, event.time, cause)

    def _begin(self, event: Candidate, cause: int) -> None:
        partial = _Partial(event.time, 1, [event.id], event.region, event.subject)
        if len(self.rule.sequence) == 1:
            self._match(event.code, partial, event.time, cause)
            return
        self._partials[event.code] = partial
        heapq.heappush(self._due, (event.time + self._within, event.code))

    def _expire(self, now: int, passage: Passage) -> None:
        """Partial matches with now > start + within are over, which is what a last absent step waits for."""
        while self._due and self._due[0][0] < now:
            due, code = heapq.heappop(self._due)
            partial = self._partials.get(code)
            if partial is None or partial.start + self._within != due:
                continue
            del self._partials[code]
            if self._last_absent and partial.step == len(self.rule.sequence) - 1:
                self._match(code, partial, due, passage.position(int(passage.passed(due))))
        self.clear_before(now, passage)

    def _match(self, code: int, partial: _Partial, at_ms: int, cause: int) -> None:
        key = self.key(code)
        opening = Opening(
            at_ms=at_ms,
            severity=self.rule.severity[0][0],
            region=str(key["region"]) if "region" in key else partial.region,
            subject=str(key["subject"]) if "subject" in key else partial.subject,
            measures={},
            evidence=Evidence(self.rule.feed, key, format_ms(partial.start), format_ms(at_ms), tuple(partial.events)),
        )
        self.match(key, opening, cause)

    def busy(self) -> Ints:
        return np.array([*self._partials, *(candidate.code for candidate in self._waiting)], np.int64)

    def renumber(self, renumbering: Renumbering) -> None:
        new = renumbering.new.tolist()
        self._waiting = [candidate._replace(code=new[candidate.code]) for candidate in self._waiting]
        self._partials = {new[code]: partial for code, partial in self._partials.items()}
        self._due = [(due, new[code]) for due, code in self._due if new[code] >= 0]
        heapq.heapify(self._waiting)
        heapq.heapify(self._due)

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "waiting": [list(candidate) for candidate in self._waiting],
            "partials": [[code, p.start, p.step, p.events, p.region, p.subject] for code, p in self._partials.items()],
            "due": [list(entry) for entry in self._due],
        }

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._waiting = [Candidate(*row) for row in state["waiting"]]
        self._partials = {row[0]: _Partial(*row[1:]) for row in state["partials"]}
        self._due = [tuple(entry) for entry in state["due"]]
