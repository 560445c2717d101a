"""A rule over alerts over the alerts that its whole rule set makes: those are its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from events.alert_events import LEVEL, frame_of
from events.feeds import ALERT_FEED
from events.record import Record
from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.key_history import LATE, POS, RECEIPT, KeyHistory, Until
from fengsui.workbench.rehearsal import PROBE, Rehearsal, probed, rehearsal_of
from rules.model import Rule, RuleSet
from streams.engine import Engine

#: Plain rules that look back farther begin with what there is: nobody reads a year of events for one alert.
MAX_WARM_UP_MS = 3 * 86_400_000


def rehearse_over_alerts(
    ruleset: RuleSet, rule: Rule, key: Mapping[str, Any], records: Iterable[Record], until: Until
) -> tuple[KeyHistory, Rehearsal]:
    """Plays all rules over the records; the key's transitions are what the rule saw."""
    probe = probed(rule, ruleset)
    played = [replace(one, mode="on") if one.id == rule.id else one for one in ruleset.rules]
    engine = Engine(replace(ruleset, rules=tuple(played if probe is None else [*played, probe])))
    feeds = {feed for one in played if one.mode != "off" for feed in one.feeds} - {ALERT_FEED}
    made: list[Transition] = []
    for record in records:
        made += engine.step([record]).transitions
        marks = engine.watermarks()
        if engine.pos >= until.pos and all(marks.get(feed, -1) > until.at_ms for feed in feeds):
            break
    marks = engine.watermarks()
    rehearsal = rehearsal_of(made, rule)
    seen = [one for one in made if one.rule != rule.id and not one.rule.endswith(PROBE)]
    frame = frame_of(seen, {}).drop(LEVEL)
    rows = frame.with_columns(
        pl.lit(value=False).alias(LATE), pl.int_range(pl.len()).alias(POS), pl.lit(None, pl.Int64).alias(RECEIPT)
    )
    same = [pl.col(name) == given for name, given in key.items() if name in rule.by]
    lacking = pl.any_horizontal(*(pl.col(name).is_null() for name in rule.by))
    times = [parse_instant(one.at) for one in seen]
    history = KeyHistory(
        catalog=ruleset.catalog,
        rows=rows.filter(*same) if same else rows,
        keyless=rows.filter(lacking),
        keys=set(rows.select(rule.by).drop_nulls().unique().rows()),
        marks={ALERT_FEED: min((marks[feed] for feed in feeds if feed in marks), default=0)},
        total=len(seen),
        oldest_ms=min(times, default=None),
        newest_ms=max(times, default=None),
    )
    return history, rehearsal
