"""The rule over one key's events, by the engine itself: what it judged, and what it opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from events.record import End, EventBatch
from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.key_history import LATE, POS, RECEIPT, KeyHistory
from fengsui.workbench.probe import probes
from rules.model import Expr, Rule, RuleSet
from streams.engine import Engine

#: Ends the id of the rule without its condition.
PROBE = " judged"


@dataclass(frozen=True)
class Evaluation:
    """One time that the rule judged the key. ``values``: the measures, or the event's fields that it reads, and the key."""

    at_ms: int
    from_ms: int
    to_ms: int
    values: Mapping[str, Any]
    events: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsal:
    evaluations: list[Evaluation]
    transitions: list[Transition]


def rehearse(ruleset: RuleSet, rule: Rule, history: KeyHistory, *, begun_ms: int | None, end_ms: int) -> Rehearsal:
    """``end_ms``: up to where time has gone on. Late events are left out where the kind does not see them."""
    played = replace(rule, mode="on", max_open=100_000, max_rate=None)
    judging = probed(rule, ruleset)
    engine = Engine(replace(ruleset, rules=tuple(one for one in (played, judging) if one is not None)))
    if begun_ms is not None:
        engine.begin(begun_ms)
    made: list[Transition] = []
    batch = as_batch(history.rows, in_arrival_order=rule.kind == "each")
    if batch is not None:
        made += engine.step([batch]).transitions
    made += engine.step([End(1 << 40, end_ms)]).transitions
    return rehearsal_of(made, rule)


def probed(rule: Rule, ruleset: RuleSet) -> Rule | None:
    """The rule without its condition, showing all that the condition reads; None for kinds that judge none."""
    judging = next((one.rule for one in probes(replace(rule, id=rule.id + PROBE)) if not one.step), None)
    if judging is not None and rule.kind == "each":
        judging = replace(judging, shown=_read(rule, ruleset))
    return judging


def rehearsal_of(made: Sequence[Transition], rule: Rule) -> Rehearsal:
    """What the rule and its probe made."""
    evaluations = [
        _evaluation(one) for one in made if one.rule == rule.id + PROBE and one.type in ("opened", "updated")
    ]
    evaluations.sort(key=lambda one: one.at_ms)
    return Rehearsal(evaluations, [one for one in made if one.rule == rule.id])


def as_batch(rows: pl.DataFrame, *, in_arrival_order: bool) -> EventBatch | None:
    """Events as a record; those that were on time in the order in which windows see them, or all as they came."""
    some = rows if in_arrival_order else rows.filter(~pl.col(LATE)).sort("time", POS)
    if not len(some):
        return None
    frame = some.drop(LATE, POS, RECEIPT)
    return EventBatch(frame, pl.int_range(1, len(frame) + 1, eager=True))


def _evaluation(transition: Transition) -> Evaluation:
    evidence = transition.evidence
    return Evaluation(
        parse_instant(transition.at),
        parse_instant(evidence.from_),
        parse_instant(evidence.to or evidence.from_),
        {**transition.measures, **transition.key},
        evidence.events,
    )


def _read(rule: Rule, ruleset: RuleSet) -> tuple[str, ...]:
    """The fields that any condition of the rule reads."""
    conditions: list[Expr | None] = [rule.when, rule.clear, *(condition for _, condition in rule.severity)]
    columns = {column for condition in conditions if condition is not None for column in condition.fields}
    names = ruleset.catalog.field_names(rule.feed)
    return tuple(name for name in names if ruleset.catalog.column(rule.feed, name) in columns and name not in rule.by)
