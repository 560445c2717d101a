"""The book of alerts: each one's newest transition, and the making of the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from events.record import Act
from events.times import parse_instant
from events.transition import TYPES, Evidence, Key, Transition, alert_id, at, key_json
from rules import lifecycle
from rules.arrays import Ints
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
    """What a step of the engine gives back: transitions in their order, the log position that caused each, and refused acts."""

    transitions: list[Transition] = field(default_factory=list)
    causes: list[int] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    #: (feed, source, fate) -> events
    fates: dict[tuple[str, str, str], int] = field(default_factory=dict)
    #: log positions of events that came too late
    late: list[Ints] = field(default_factory=list)


class Step(NamedTuple):
    """One step of an alert as it was made; the first six say its place among the others.

    ``transition``: None where the alert is folded into its rule's storm, which then only counts the step. ``model``: the rule of
    an opening.
    """

    cause: int
    at_ms: int
    rule: str
    key: str
    order: int
    n: int
    type: str
    alert: str
    severity: str
    transition: Transition | None
    reason: str | None
    model: Rule | None


class Folded(NamedTuple):
    """What is kept of an alert that was folded into a storm."""

    rule: str
    key: str
    severity: str
    n: int


_UNKNOWN = "no alert {} is open or was resolved lately"


def unknown(alert: str) -> str:
    """Why nothing is done about an alert that the book does not hold."""
    return _UNKNOWN.format(alert)


def is_unknown(reason: str) -> bool:
    return reason.startswith(_UNKNOWN.partition("{}")[0])


class AlertBook:
    """Every alert that is not resolved, and the newest of the resolved ones (so that they can be noted and reopened)."""

    def __init__(self, *, max_open: int = 500_000, max_resolved: int = 100_000) -> None:
        self._open: dict[str, Transition] = {}
        self._resolved: dict[str, Transition] = {}
        self._max_open = max_open
        self._max_resolved = max_resolved
        self.forgotten = 0
        self._folded: dict[str, Folded] = {}
        #: the newest of the folded ones that are over
        self._unfolded: dict[str, None] = {}
        self._made: list[Step] = []
        self._refused: list[tuple[str, str]] = []

    def get(self, alert: str) -> Transition | None:
        return self._open.get(alert) or self._resolved.get(alert)

    def openings(self, since_ms: int) -> dict[tuple[str, str], list[tuple[Key, int]]]:
        """(rule, feed) -> the keys of alerts that opened since then, with when they did."""
        found: dict[tuple[str, str], list[tuple[Key, int]]] = {}
        since = at(since_ms)
        for known in (*self._open.values(), *self._resolved.values()):
            if known.opened_at >= since:
                opening = (known.key, parse_instant(known.opened_at))
                found.setdefault((known.rule, known.evidence.feed), []).append(opening)
        return found

    def has_opened(self, rule: Rule, key: Key, at_ms: int) -> bool:
        """Whether this key had an opening in this millisecond."""
        return self._has_opened(alert_id(rule.id, key, at_ms))

    def _has_opened(self, alert: str) -> bool:
        return self.get(alert) is not None or alert in self._folded or alert in self._unfolded

    def open(self, rule: Rule, key: Key, opening: Opening, *, cause: int) -> str | None:
        """-> the alert's id; None where this key already had an opening in this millisecond (the two are one)."""
        alert = alert_id(rule.id, key, opening.at_ms)
        if self._has_opened(alert):
            return None
        when = at(opening.at_ms)
        self.put(
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
            rule,
        )
        return alert

    def follow(self, alert: str, type_: str, rule: Rule, opening: Opening, *, count: int, cause: int) -> None:
        """An evaluation updated, escalated or closed the alert."""
        if alert in self._folded:
            self._step_aside(alert, type_, opening.at_ms, cause, severity=opening.severity)
            return
        last = self.get(alert)
        if last is None:
            return
        changes: dict[str, Any] = {
            "region": opening.region or last.region,
            "subject": opening.subject or last.subject,
            "measures": opening.measures,
            "evidence": opening.evidence,
            "count": count,
        }
        # the closing evaluation shows its measures; the alert keeps the severity it had risen to, and what it was about
        if type_ == "closed":
            changes |= _closing(last, rule.auto_resolve, opening.at_ms)
        else:
            changes |= {"severity": opening.severity, "summary": _summary(rule, last.key, opening.measures)}
        self.put(following(last, type_, opening.at_ms, **changes), cause, opening.at_ms)

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
        if alert in self._folded:
            self._step_aside(alert, "closed", at_ms, cause, reason=reason)
            return
        last = self.get(alert)
        if last is None or last.condition == "cleared":
            return
        changes = _closing(last, auto_resolve, at_ms) | {
            "reason": reason,
            "count": last.count if count is None else count,
        }
        self.put(following(last, "closed", at_ms, **changes), cause, at_ms)

    def act(self, act: Act, *, count: int | None = None) -> Transition | None:
        """A person's act. ``count``: true evaluations by now, where more than were told. -> the new transition, or None and a refusal with its reason."""
        last = self.get(act.alert)
        if last is None:
            self._refused.append((act.id, unknown(act.alert)))
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
        transition = following(last, step.type, act.at_ms, **changes)
        self.put(transition, act.pos, act.at_ms)
        return transition

    def fold(self, alert: str) -> None:
        """The alert's opening is withdrawn: what becomes of it from now on is only counted."""
        last = self._open.pop(alert, None) or self._resolved.pop(alert, None)
        assert last is not None, "what is folded was opened"
        self._folded[alert] = Folded(last.rule, key_json(last.key), last.severity, last.n)

    def unfold(self, alert: str) -> None:
        """A folded alert is over."""
        del self._folded[alert]
        self._unfolded[alert] = None
        if len(self._unfolded) > self._max_resolved:
            del self._unfolded[next(iter(self._unfolded))]

    def is_folded(self, alert: str) -> bool:
        return alert in self._folded

    def harvest(self) -> list[Step]:
        """Every step since the last harvest, in the contract's order."""
        made, self._made = self._made, []
        made.sort(key=place_of)
        return made

    def refusals(self) -> list[tuple[str, str]]:
        """Acts that were refused since the last call, each with its reason."""
        refused, self._refused = self._refused, []
        return refused

    def put(self, transition: Transition, cause: int, at_ms: int, model: Rule | None = None) -> None:
        """Keep an alert's next transition. ``model``: of an opening, its rule."""
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
        self._made.append(
            Step(
                cause,
                at_ms,
                transition.rule,
                key_json(transition.key),
                _TYPE_ORDER[transition.type],
                transition.n,
                transition.type,
                alert,
                transition.severity,
                transition,
                transition.reason,
                model,
            )
        )

    def _step_aside(
        self, alert: str, type_: str, at_ms: int, cause: int, *, severity: str | None = None, reason: str | None = None
    ) -> None:
        """A step of a folded alert."""
        last = self._folded[alert]
        last = self._folded[alert] = last._replace(n=last.n + 1, severity=severity or last.severity)
        order = _TYPE_ORDER[type_]
        self._made.append(
            Step(cause, at_ms, last.rule, last.key, order, last.n, type_, alert, last.severity, None, reason, None)
        )

    def state(self) -> dict[str, Any]:
        return {
            "open": msgspec.json.encode(list(self._open.values())),
            "resolved": msgspec.json.encode(list(self._resolved.values())),
            "forgotten": self.forgotten,
            "folded": {alert: list(folded) for alert, folded in self._folded.items()},
            "unfolded": list(self._unfolded),
        }

    def load(self, state: dict[str, Any]) -> None:
        self._open = {t.alert: t for t in msgspec.json.decode(state["open"], type=list[Transition])}
        self._resolved = {t.alert: t for t in msgspec.json.decode(state["resolved"], type=list[Transition])}
        self.forgotten = state["forgotten"]
        self._folded = {alert: Folded(*folded) for alert, folded in state["folded"].items()}
        self._unfolded = dict.fromkeys(state["unfolded"])


def place_of(step: Step) -> tuple[int, int, str, str, int, int]:
    """The contract's order: log record, then time, rule, key, type."""
    return step[:6]


def following(last: Transition, type_: str, at_ms: int, **changes: Any) -> Transition:
    """The alert's next transition; what only concerned the last one (who, note, reason) does not carry over."""
    fresh: dict[str, Any] = {"seq": 0, "by": None, "note": None, "reason": None, "act": None}
    return msgspec.structs.replace(last, n=last.n + 1, type=type_, at=at(at_ms), **(fresh | changes))


def _closing(last: Transition, auto_resolve: frozenset[str], at_ms: int) -> dict[str, Any]:
    state = "resolved" if last.severity in auto_resolve else last.state
    return {"condition": "cleared", "closed_at": at(at_ms), "state": state}


def _summary(rule: Rule, key: Key, measures: dict[str, Any]) -> dict[str, str]:
    values = {**measures, **key}
    return {language: render(template, values) for language, template in rule.summary.items()}
