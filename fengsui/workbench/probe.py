"""What a rule judged where nothing happened: the same rule without its condition, so that every evaluation shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.fixture import Expectation
from rules.model import Expr, Rule

_ALWAYS = Expr(text="TRUE", expr=pl.lit(value=True), type="boolean", fields=frozenset())
#: No fixture has more alerts.
_MANY = 100_000


@dataclass(frozen=True)
class Judged:
    """``judged``: evaluations of the expected key up to the expected time; ``last``: the last of them."""

    judged: int
    last: Transition | None


def probe(rule: Rule) -> Rule | None:
    """A rule whose every evaluation opens or updates an alert; None for kinds that judge no condition."""
    if rule.kind not in ("each", "window", "baseline"):
        return None
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


def look(expectation: Expectation, evaluations: Sequence[Transition]) -> Judged:
    """What the probe saw of an expectation that did not come true."""
    moment = expectation.moment
    before = [
        evaluation
        for evaluation in evaluations
        if all(want.fits(evaluation.key.get(name)) for name, want in expectation.key)
        and (moment is None or parse_instant(evaluation.at) <= moment.to_ms)
    ]
    return Judged(len(before), before[-1] if before else None)
