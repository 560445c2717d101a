"""Storms: a rule that opens too much folds the rest into one alert that counts them.

Decided on the steps of alerts in the contract's order, so that it does not depend on how the log was cut into batches.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from events.times import format_ms
from events.transition import RANK, Evidence, Transition, alert_id, at
from rules.book import AlertBook, Step, following, place_of
from rules.model import Rule

#: Keys of folded alerts that a storm names.
SAMPLE = 20
_MINUTE_MS = 60_000
#: Openings that are remembered: a late event may open among those of long ago.
_OPENINGS_KEPT = 10_000


#: The log record with which a rule's watermark passed an instant; None where it has not yet.
Passed = Callable[[Rule, int], int | None]


@dataclass
class _State:
    """What is known of one rule's alerts."""

    rule: Rule
    #: alerts whose condition is active
    active: set[str] = field(default_factory=set)
    #: when the latest admitted alerts opened, rising
    openings: list[int] = field(default_factory=list)
    #: the storm alert; its folded alerts in all and those that are not over, some of their keys, and their highest severity
    storm: str | None = None
    folded: int = 0
    open: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    severity: str = ""
    first_ms: int = 0
    #: when it was told last, and what it counted then
    shown_ms: int = 0
    told: tuple[int, int] = (0, 0)
    #: the log record since which it counts more
    since: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        return self.folded, len(self.open)

    @property
    def untold(self) -> bool:
        """Whether the storm counts more, or less, than was told."""
        return self.storm is not None and self.counts != self.told

    @property
    def due_ms(self) -> int:
        """When it is told at the latest."""
        return self.shown_ms + self.rule.update_every_ms

    def due(self, passed: Passed) -> int | None:
        """The log record at which what is untold became due, None where it is not yet."""
        cause = passed(self.rule, self.due_ms)
        return None if cause is None else max(cause, self.since)

    def fold(self, step: Step) -> None:
        self.folded += 1
        self.open.add(step.alert)
        if len(self.keys) < SAMPLE:
            self.keys.append(step.key)
        self.rise(step.severity)

    def rise(self, severity: str) -> None:
        self.severity = max(self.severity, severity, key=lambda word: RANK.get(word, 0))

    def forget(self) -> None:
        """The storm is over."""
        self.storm, self.folded, self.keys, self.severity = None, 0, [], ""
        self.open.clear()


class Storms:
    """Lets the steps of alerts through, in order, but those of alerts that are folded.

    A storm is told once for each moment (the same record, the same instant) in which something was folded, rose or ended: at once
    where it begins, becomes worse, has folded twice as much or is over, else every ``update_every``. What it counts is never older
    than that: where nothing more happens, it is told when the time is up.
    """

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._of: dict[str, _State] = {}
        #: rules whose storm counts what was not told
        self._waiting: set[str] = set()

    def bind(self, rules: Iterable[Rule]) -> None:
        """The rules in force; of those that are gone only what still has something open is kept, until it is closed."""
        by_id = {rule.id: rule for rule in rules}
        self._of = {name: state for name, state in self._of.items() if name in by_id or state.active or state.open}
        for name, state in self._of.items():
            rule = by_id.get(name)
            if rule is None:  # one that comes back begins anew, as it does after a restart
                state.openings.clear()
            elif rule.version == state.rule.version:
                state.rule = rule
            # else what it had folded is closed by what it said then

    def pass_on(self, steps: list[Step], passed: Passed, *, level: int) -> list[Step]:
        """The steps that become transitions, with those of storms, in the contract's order. ``level``: of the rules that took them."""
        kept: list[Step] = []
        #: rules with something folded in the moment in hand, and why it ended, if it did
        touched: dict[str, str | None] = {}
        for number, step in enumerate(steps):
            if self._book.is_folded(step.alert):
                self._touch(step, touched, passed)
                self._count(step)
            elif step.type == "opened" and not self._admit(step):
                self._touch(step, touched, passed)
                self._book.fold(step.alert)
                self._of[step.rule].fold(step)
            else:
                if step.type in ("closed", "resolved"):
                    self._end(step)
                kept.append(step)
            if touched and (number + 1 == len(steps) or steps[number + 1][:2] != step[:2]):
                for rule, reason in touched.items():
                    self._tell(self._of[rule], step, reason)
                touched.clear()
        self._catch_up(passed, level)
        told = self._book.harvest()
        return sorted([*kept, *told], key=place_of) if told else kept

    def finish(self, pos: int, at_ms: int) -> list[Step]:
        """The end of a replay: tell what there is."""
        for rule in sorted(self._waiting):
            self._put(self._of[rule], "updated", pos, at_ms)
        self._waiting.clear()
        return self._book.harvest()

    def _admit(self, step: Step) -> bool:
        assert step.model is not None, "an opening names its rule"
        state = self._of.get(step.rule)
        if state is None:
            state = self._of[step.rule] = _State(step.model)
        rule = state.rule = step.model
        if len(state.active) >= rule.max_open:
            return False
        if rule.max_rate is not None:
            openings, now = state.openings, step.at_ms
            if bisect_right(openings, now) - bisect_right(openings, now - _MINUTE_MS) >= rule.max_rate:
                return False
            insort(openings, now)
            del openings[: max(0, len(openings) - max(_OPENINGS_KEPT, 2 * rule.max_rate))]
        state.active.add(step.alert)
        return True

    def _touch(self, step: Step, touched: dict[str, str | None], passed: Passed) -> None:
        """Before a moment changes what a storm counts, tell what was due before it."""
        state = self._of[step.rule]
        if step.rule not in touched and state.untold:
            cause = state.due(passed)
            if cause is not None and (cause, state.due_ms) < step[:2]:
                self._put(state, "updated", cause, state.due_ms)
                self._waiting.discard(step.rule)
        touched[step.rule] = step.reason

    def _count(self, step: Step) -> None:
        """A step of an alert that was folded."""
        state = self._of[step.rule]
        if step.type == "closed":
            self._book.unfold(step.alert)
            state.open.discard(step.alert)
        elif step.alert in state.open:
            state.rise(step.severity)

    def _end(self, step: Step) -> None:
        state = self._of.get(step.rule)
        if state is None:
            return
        state.active.discard(step.alert)
        if step.alert == state.storm:  # a person's word; what it had folded goes on unseen until it is over
            state.forget()
            self._waiting.discard(step.rule)

    # --- the storm's own alert

    def _tell(self, state: _State, step: Step, reason: str | None) -> None:
        """What the moment of ``step``, its last, made of the storm."""
        if state.storm is None and state.folded:
            self._open(state, step)
        if state.storm is None:
            return
        last = self._book.get(state.storm)
        if not state.open:
            self._put(state, "closed", step.cause, step.at_ms, reason)
            state.forget()
        elif last is not None and RANK[state.severity] > RANK[last.severity]:
            self._put(state, "escalated", step.cause, step.at_ms)
        elif state.untold and (step.at_ms >= state.due_ms or state.folded >= 2 * state.told[0]):
            self._put(state, "updated", step.cause, step.at_ms)
        if state.untold:
            if state.rule.id not in self._waiting:
                state.since = step.cause
            self._waiting.add(state.rule.id)
        else:
            self._waiting.discard(state.rule.id)

    def _catch_up(self, passed: Passed, level: int) -> None:
        """Tell of storms what has been waiting for as long as an update may."""
        for rule in sorted(self._waiting):
            state = self._of[rule]
            cause = state.due(passed) if state.rule.level == level else None
            if cause is not None:
                self._put(state, "updated", cause, state.due_ms)
                self._waiting.discard(rule)

    def _open(self, state: _State, step: Step) -> None:
        rule = state.rule
        key: dict[str, Any] = {"storm": rule.id}
        alert = alert_id(rule.id, key, step.at_ms)
        if self._book.get(alert) is not None:
            return  # two storms in one millisecond are one; what is folded is told by the next
        state.storm, state.first_ms = alert, step.at_ms
        when = at(step.at_ms)
        transition = Transition(
            alert=alert,
            n=1,
            type="opened",
            at=when,
            rule=rule.id,
            version=rule.version,
            domain=rule.domain,
            severity=state.severity,
            key=key,
            evidence=Evidence(rule.feed, {}, when, when),
            title={language: _TITLE[language].format(title) for language, title in rule.title.items()},
            summary={},
            opened_at=when,
            shadow=rule.mode == "shadow",
        )
        self._book.put(_told(state, transition, step.at_ms), step.cause, step.at_ms, rule)

    def _put(self, state: _State, type_: str, cause: int, at_ms: int, reason: str | None = None) -> None:
        """The storm's next transition."""
        assert state.storm is not None, "a storm that is told was opened"
        last = self._book.get(state.storm)
        if last is None:
            return
        changes: dict[str, Any] = {"severity": state.severity}
        if type_ == "closed":
            resolved = state.severity in state.rule.auto_resolve
            changes |= {
                "condition": "cleared",
                "closed_at": at(at_ms),
                "state": "resolved" if resolved else last.state,
                "reason": reason,
            }
        self._book.put(_told(state, following(last, type_, at_ms, **changes), at_ms), cause, at_ms)

    # --- snapshots

    def state(self) -> list[dict[str, Any]]:
        return [
            {
                "rule": rule,
                "active": sorted(state.active),
                "openings": state.openings,
                "storm": state.storm,
                "folded": state.folded,
                "open": sorted(state.open),
                "keys": state.keys,
                "severity": state.severity,
                "first_ms": state.first_ms,
                "shown_ms": state.shown_ms,
                "told": list(state.told),
                "since": state.since,
            }
            for rule, state in self._of.items()
        ]

    def load(self, saved: list[dict[str, Any]], rules: Iterable[Rule]) -> None:
        by_id = {rule.id: rule for rule in rules}
        for one in saved:
            rule = by_id.get(one.pop("rule"))
            if rule is not None:
                sets = {name: set(one[name]) for name in ("active", "open")}
                self._of[rule.id] = _State(rule, **(one | sets | {"told": tuple(one["told"])}))
        self._waiting = {name for name, state in self._of.items() if state.untold}


_TITLE = {"zh": "预警风暴：{}", "en": "Alert storm: {}"}


def _told(state: _State, transition: Transition, at_ms: int) -> Transition:
    """The storm's transition with what it counts."""
    state.shown_ms, state.told = at_ms, state.counts
    measures = {"folded": state.folded, "open": len(state.open), "keys": list(state.keys)}
    return msgspec.structs.replace(
        transition,
        measures=measures,
        count=state.folded,
        evidence=Evidence(state.rule.feed, {}, format_ms(state.first_ms), format_ms(at_ms)),
        summary={
            "zh": f"同一规则预警过多，另有 {state.folded:,} 条并入本条，其中 {len(state.open):,} 条尚未解除",
            "en": f"{state.folded:,} more alerts of this rule are folded into this one, {len(state.open):,} of them still active",
        },
    )
