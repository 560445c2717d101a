"""Storms: a rule that opens too much folds the rest into one alert that counts them.

Decided on the steps of alerts in the contract's order, so that it does not depend on how the log was cut into batches.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
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


@dataclass
class _State:
    """What is known of one rule's alerts."""

    rule: Rule
    #: alerts whose condition is active
    active: set[str] = field(default_factory=set)
    #: when the latest admitted alerts opened, rising
    openings: list[int] = field(default_factory=list)
    #: the storm alert, its folded alerts in all and those that are not over, and some of their keys
    storm: str | None = None
    folded: int = 0
    open: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    first_ms: int = 0
    shown_ms: int = 0

    def forget(self) -> None:
        """The storm is over."""
        self.storm, self.folded, self.keys = None, 0, []
        self.open.clear()


class Storms:
    """Lets the steps of alerts through, in order, but those of alerts that are folded."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._of: dict[str, _State] = {}

    def bind(self, rules: Iterable[Rule]) -> None:
        """The rules in force; of those that are gone only what still has something open is kept."""
        by_id = {rule.id: rule for rule in rules}
        self._of = {name: state for name, state in self._of.items() if name in by_id or state.active or state.open}
        for name, state in self._of.items():
            state.rule = by_id.get(name, state.rule)

    def pass_on(self, steps: list[Step]) -> list[Step]:
        """The steps that become transitions, with those of storms, in the contract's order."""
        passed: list[Step] = []
        stormy = False
        for step in steps:
            if self._book.is_folded(step.alert):
                self._count(step)
                stormy = True
            elif step.type == "opened" and not self._admit(step):
                self._fold(step)
                stormy = True
            else:
                if step.type in ("closed", "resolved"):
                    self._end(step)
                passed.append(step)
        return sorted([*passed, *self._book.harvest()], key=place_of) if stormy else passed

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
            del openings[: max(0, len(openings) - 2 * rule.max_rate)]
        state.active.add(step.alert)
        return True

    def _fold(self, step: Step) -> None:
        state = self._of[step.rule]
        self._book.fold(step.alert)
        state.folded += 1
        state.open.add(step.alert)
        if len(state.keys) < SAMPLE:
            state.keys.append(step.key)
        if state.storm is None:
            self._open(state, step)
        else:
            self._tell(state, step)

    def _count(self, step: Step) -> None:
        """A step of an alert that was folded."""
        state = self._of[step.rule]
        if step.type != "closed":
            if state.storm is not None and step.alert in state.open and step.type == "escalated":
                self._tell(state, step)
            return
        self._book.unfold(step.alert)
        state.open.discard(step.alert)
        if state.storm is not None and not state.open:
            self._close(state, step)

    def _end(self, step: Step) -> None:
        state = self._of.get(step.rule)
        if state is None:
            return
        state.active.discard(step.alert)
        if step.alert == state.storm:  # a person's word; what it had folded goes on unseen until it is over
            state.forget()

    # --- the storm's own alert

    def _open(self, state: _State, step: Step) -> None:
        rule = state.rule
        key: dict[str, Any] = {"storm": rule.id}
        alert = alert_id(rule.id, key, step.at_ms)
        if self._book.get(alert) is not None:
            return  # two storms in one millisecond are one; what is folded is told by the next
        state.storm, state.first_ms, state.shown_ms = alert, step.at_ms, step.at_ms
        when = at(step.at_ms)
        transition = Transition(
            alert=alert,
            n=1,
            type="opened",
            at=when,
            rule=rule.id,
            version=rule.version,
            domain=rule.domain,
            severity=step.severity,
            key=key,
            evidence=Evidence(rule.feed, {}, when, when),
            title={language: _TITLE[language].format(title) for language, title in rule.title.items()},
            summary={},
            opened_at=when,
            shadow=rule.mode == "shadow",
        )
        self._book.put(_told(state, transition, step.at_ms), step.cause, step.at_ms, rule)

    def _tell(self, state: _State, step: Step) -> None:
        """The storm grew: told as other alerts are, at once where it became worse."""
        assert state.storm is not None
        last = self._book.get(state.storm)
        if last is None:
            return
        worse = RANK[step.severity] > RANK[last.severity]
        if not worse and step.at_ms - state.shown_ms < state.rule.update_every_ms:
            return
        state.shown_ms = step.at_ms
        severity = step.severity if worse else last.severity
        made = following(last, "escalated" if worse else "updated", step.at_ms, severity=severity)
        self._book.put(_told(state, made, step.at_ms), step.cause, step.at_ms)

    def _close(self, state: _State, step: Step) -> None:
        assert state.storm is not None
        last = self._book.get(state.storm)
        if last is None:
            state.forget()
            return
        resolved = last.severity in state.rule.auto_resolve
        made = following(
            last,
            "closed",
            step.at_ms,
            condition="cleared",
            closed_at=at(step.at_ms),
            state="resolved" if resolved else last.state,
            reason=step.reason,
        )
        self._book.put(_told(state, made, step.at_ms), step.cause, step.at_ms)
        state.forget()

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
                "first_ms": state.first_ms,
                "shown_ms": state.shown_ms,
            }
            for rule, state in self._of.items()
        ]

    def load(self, saved: list[dict[str, Any]], rules: Iterable[Rule]) -> None:
        by_id = {rule.id: rule for rule in rules}
        for one in saved:
            rule = by_id.get(one.pop("rule"))
            if rule is not None:
                self._of[rule.id] = _State(rule, **(one | {"active": set(one["active"]), "open": set(one["open"])}))


_TITLE = {"zh": "预警风暴：{}", "en": "Alert storm: {}"}


def _told(state: _State, transition: Transition, at_ms: int) -> Transition:
    """The storm's transition with what it counts."""
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
