"""What a rule saw where nothing happened: the same rule without its condition, so that every evaluation shows itself.

Rules that judge no condition, absences, sequences and new values, show the events that they hear instead, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.fixture import Expectation
from rules.model import Expr, Rule

_ALWAYS = Expr(text="TRUE", expr=pl.repeat(value=True, n=pl.len()), type="boolean", fields=frozenset())
#: No fixture has more alerts.
_MANY = 100_000


@dataclass(frozen=True)
class Probe:
    """``step``: which events of the rule it shows; empty where it shows the rule's evaluations."""

    step: str
    rule: Rule


@dataclass(frozen=True)
class Seen:
    """``count``: what a probe showed of the expected key up to the expected time; ``last``: the last of it."""

    step: str
    count: int
    last: Transition | None


def probes(rule: Rule) -> tuple[Probe, ...]:
    if rule.kind == "sequence":
        steps = []
        for number, step in enumerate(rule.sequence, 1):
            if step.unless:
                feed, where = step.unless
                steps.append(Probe(f"除非 · unless {feed}", _each(rule, feed, where)))
            steps.append(
                Probe(
                    f"步骤 · step {number} {'absent ' if step.absent else ''}{step.feed}",
                    _each(rule, step.feed, step.where),
                )
            )
        return tuple(steps)
    if rule.kind in ("absent", "new"):
        return (Probe(f"听到 · heard {rule.feed}", _each(rule, rule.feed, rule.where)),)
    return (Probe("", _bare(rule)),)


def look(probe: Probe, expectation: Expectation, transitions: Sequence[Transition]) -> Seen:
    """What a probe showed of an expectation that did not come true."""
    moment = expectation.moment
    before = [
        shown
        for shown in transitions
        if all(want.fits(shown.key[name]) for name, want in expectation.key if name in shown.key)
        and (moment is None or parse_instant(shown.at) <= moment.to_ms)
    ]
    return Seen(probe.step, len(before), before[-1] if before else None)


def _bare(rule: Rule) -> Rule:
    return replace(
        rule,
        when=_ALWAYS,
        clear=None,
        severity=(("blue", None),),
        hold_ms=0,
        clear_after_ms=None,
        update_every_ms=0,
        mode="on",
        max_open=_MANY,
        max_rate=None,
    )


def _each(rule: Rule, feed: str, where: Expr | None) -> Rule:
    """Every event of a feed that ``where`` lets through."""
    bare = _bare(rule)
    return replace(
        bare, kind="each", feed=feed, where=where, absent_ms=None, expect=(), sequence=(), within_ms=None, new=()
    )
