"""What a rule over alerts sees: of ordinary feeds' rules all, of rules over alerts those it names, of shadow rules nothing."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from events.alert_events import LEVEL
from events.feeds import ALERT_FEED
from rules.model import Expr, Rule, Step


def seeing(rule: Rule) -> Rule:
    """The rule with its ``where`` over alerts narrowed to what it may see; other rules as they are."""
    if ALERT_FEED not in rule.feeds:
        return rule
    if rule.kind == "sequence":
        return replace(rule, sequence=tuple(_narrowed(step, rule) for step in rule.sequence))
    return replace(rule, where=_where(rule.where, rule))


def _narrowed(step: Step, rule: Rule) -> Step:
    if step.feed == ALERT_FEED:
        step = replace(step, where=_where(step.where, rule))
    if step.unless is not None and step.unless[0] == ALERT_FEED:
        step = replace(step, unless=(ALERT_FEED, _where(step.unless[1], rule)))
    return step


def _where(where: Expr | None, rule: Rule) -> Expr:
    seen = (pl.col(LEVEL) == 0) | pl.col("rule").is_in(sorted(rule.named))
    if rule.mode != "shadow":
        seen &= ~pl.col("shadow")
    text = f"{where.text if where else ''} | {','.join(sorted(rule.named))} | {rule.mode}"
    fields = (where.fields if where else frozenset()) | {LEVEL, "rule", "shadow"}
    return Expr(text, seen if where is None else where.expr & seen, "boolean", fields)
