"""The book of alerts: each one's newest transition, and the making of the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from events.record import Act
from events.transition import TYPES, Evidence, Key, Transition, alert_id, at, key_json
from rules import lifecycle
from rules.model import Rule
from rules.summary import render

#: Updates and escalations stand side by side: with `update_every: 0s` one instant has several of both, and `n` must rise.
_TYPE_ORDER = {name: place for place, name in enumerate(TYPES)}
_TYPE_ORDER["escalated"] = _TYPE_ORDER["updated"]


@dataclass(frozen=True)
class Opening:
    """All that a transition says of one evaluation."""

    at_ms: int
    severity: str
    region: str | None
    subject: str | None
    measures: dict[str, Any]
    evidence: Evidence


@dataclass
class Outcome:
    """What a step gives back: transitions in their order, the log position that caused each, and refused acts."""

    transitions: list[Transition] = field(default_factory=list)
    causes: list[int] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    #: (feed, source, fate) -> events
    fates: dict[tuple[str, str, str], int] = field(default_factory=dict)


class AlertBook:
    """Every alert that is not resolved, and the newest of the resolved ones (so that they can be noted and reopened)."""

    def __init__(self, *, max_open: int = 500_000, max_resolved: int = 100_000) -> None:
        self._open: dict[str, Transition] = {}
        self._resolved: dict[str, Transition] = {}
        self._max_open = max_open
        self._max_resolved = max_resolved
        self.forgotten = 0
        self._made: list[tuple[int, int, str, str, int, int, Transition]] = []
        self._refused: list[tuple[str, str]] = []

    def get(self, alert: str) -> Transition | None:
        return self._open.get(alert) or self._resolved.get(alert)

    def open(self, rule: Rule, key: Key, opening: Opening, *, cause: int) -> str | None:
        """-> the alert's id; None where this key already had an opening in this millisecond (the two are one)."""
        alert = alert_id(rule.id, key, opening.at_ms)
        if self.get(alert) is not None:
            return None
        when = at(opening.at_ms)
        self._put(
            Transition(
                alert=alert,
                n=1,
                type="opened",
                at=when,
                rule=rule.id,
                version=rule.version,
                domain=rule.domain,
                severity=opening.severity,
                key=key,
                region=opening.region,
                subject=opening.subject,
                measures=opening.measures,
                evidence=opening.evidence,
                title=dict(rule.title),
                summary=_summary(rule, key, opening.measures),
                count=1,
                opened_at=when,
                shadow=rule.mode == "shadow",
            ),
            cause,
            opening.at_ms,
        )
        return alert

    def follow(self, alert: str, type_: str, rule: Rule, opening: Opening, *, count: int, cause: int) -> None:
        """An evaluation updated, escalated or closed the alert."""
        last = self.get(alert)
        if last is None:
            return
        changes: dict[str, Any] = {
            "region": opening.region or last.region,
            "subject": opening.subject or last.subject,
            "measures": opening.measures,
            "evidence": opening.evidence,
            "summary": _summary(rule, last.key, opening.measures),
            "severity": opening.severity,
            "count": count,
        }
        if type_ == "closed":
            # the closing evaluation shows its measures; the alert keeps the severity it had risen to, and what it was about
            changes |= {"severity": last.severity, "summary": last.summary}
            changes |= _closing(last, rule.auto_resolve, opening.at_ms)
        self._put(_next(last, type_, opening.at_ms, **changes), cause, opening.at_ms)

    def close(
        self,
        alert: str,
        at_ms: int,
        *,
        auto_resolve: frozenset[str],
        cause: int,
        count: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Time, or the end of its rule, closed the alert."""
        last = self.get(alert)
        if last is None or last.condition == "cleared":
            return
        changes = _closing(last, auto_resolve, at_ms) | {
            "reason": reason,
            "count": last.count if count is None else count,
        }
        self._put(_next(last, "closed", at_ms, **changes), cause, at_ms)

    def act(self, act: Act, *, count: int | None = None) -> Transition | None:
        """A person's act. ``count``: true evaluations by now, where more than were told. -> the new transition, or None and a refusal with its reason."""
        last = self.get(act.alert)
        if last is None:
            self._refused.append((act.id, f"no alert {act.alert} is open or was resolved lately"))
            return None
        reason = lifecycle.refusal(act.verb, last.state)
        if reason is not None:
            self._refused.append((act.id, reason))
            return None
        step = lifecycle.TABLE[act.verb]
        changes: dict[str, Any] = {"by": act.by, "note": act.note, "act": act.id, "state": step.then or last.state}
        if count is not None:
            changes["count"] = count
        if act.verb == "assign":
            changes["to"] = act.to or act.by
        if act.verb == "resolve":  # a person's word ends the episode
            changes |= {"condition": "cleared", "closed_at": last.closed_at or at(act.at_ms)}
        transition = _next(last, step.type, act.at_ms, **changes)
        self._put(transition, act.pos, act.at_ms)
        return transition

    def drain(self) -> Outcome:
        """Everything since the last drain, in the contract's order."""
        made, self._made = self._made, []
        refused, self._refused = self._refused, []
        made.sort(key=_order)
        return Outcome([row[-1] for row in made], [row[0] for row in made], refused)

    def _put(self, transition: Transition, cause: int, at_ms: int) -> None:
        alert = transition.alert
        self._open.pop(alert, None)
        self._resolved.pop(alert, None)
        if transition.state == "resolved":
            self._resolved[alert] = transition
            if len(self._resolved) > self._max_resolved:
                del self._resolved[next(iter(self._resolved))]
        else:
            self._open[alert] = transition
            if len(self._open) > self._max_open:
                del self._open[next(iter(self._open))]
                self.forgotten += 1
        order = _TYPE_ORDER[transition.type]
        self._made.append((cause, at_ms, transition.rule, key_json(transition.key), order, transition.n, transition))

    def state(self) -> dict[str, Any]:
        return {
            "open": msgspec.json.encode(list(self._open.values())),
            "resolved": msgspec.json.encode(list(self._resolved.values())),
            "forgotten": self.forgotten,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._open = {t.alert: t for t in msgspec.json.decode(state["open"], type=list[Transition])}
        self._resolved = {t.alert: t for t in msgspec.json.decode(state["resolved"], type=list[Transition])}
        self.forgotten = state["forgotten"]


def _order(row: tuple[int, int, str, str, int, int, Transition]) -> tuple[int, int, str, str, int, int]:
    return row[:6]


def _next(last: Transition, type_: str, at_ms: int, **changes: Any) -> Transition:
    """The alert's next transition; what only concerned the last one (who, note, reason) does not carry over."""
    fresh: dict[str, Any] = {"seq": 0, "by": None, "note": None, "reason": None, "act": None}
    return msgspec.structs.replace(last, n=last.n + 1, type=type_, at=at(at_ms), **(fresh | changes))


def _closing(last: Transition, auto_resolve: frozenset[str], at_ms: int) -> dict[str, Any]:
    state = "resolved" if last.severity in auto_resolve else last.state
    return {"condition": "cleared", "closed_at": at(at_ms), "state": state}


def _summary(rule: Rule, key: Key, measures: dict[str, Any]) -> dict[str, str]:
    values = {**measures, **key}
    return {language: render(template, values) for language, template in rule.summary.items()}
