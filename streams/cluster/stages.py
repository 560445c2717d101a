"""Which engine runs which rules, where each partition has an engine of its own.

A rule whose key names its partition's field is *narrow*: all events of a key lie in one partition, and its engine needs nothing
else. A *wide* rule (by region, by category, everywhere) reads what the engines of all partitions pass on, divided anew by its own
key. Rules *over* alerts read what all of them told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from events.feeds import ALERT_FEED, PHYSICAL, FeedCatalog
from rules.load import load_bundle
from rules.model import Expr, Rule, RuleSet
from streams.cluster.partitioning import PREFECTURE_DIGITS, homes

Stage = Literal["events", "wide", "over"]
PartitionBy = Literal["subject", "prefecture"]
#: Between the values of a key, where they are hashed together.
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Division:
    """How a cluster's work is divided: partitions of the events and of what wide rules read, and the field that tells them."""

    partitions: int
    wide: int
    by: PartitionBy = "subject"

    @property
    def field(self) -> str:
        """A rule whose key has it is narrow."""
        return "subject" if self.by == "subject" else "region"

    def values(self, frame: pl.DataFrame) -> pl.Series:
        """What the partition of each event is told by."""
        return frame["subject"] if self.by == "subject" else frame["region"].str.slice(0, PREFECTURE_DIGITS)


@dataclass(frozen=True, order=True)
class Origin:
    """An engine, as what it tells is marked: ``events-3``, ``wide-0:region,category``, ``over``."""

    stage: Stage
    partition: int = 0
    #: of wide rules: their key
    group: str | None = None

    def __str__(self) -> str:
        if self.stage == "over":
            return "over"
        place = f"{self.stage}-{self.partition}"
        return place if self.group is None else f"{place}:{self.group}"

    @classmethod
    def of(cls, text: str) -> Origin:
        """The reverse of ``str``. ValueError."""
        if text == "over":
            return cls("over")
        place, colon, group = text.partition(":")
        stage, _, partition = place.partition("-")
        if stage not in {"events", "wide"} or (stage == "wide") != bool(colon):
            raise ValueError(f"{text!r} names no engine")
        return cls("events" if stage == "events" else "wide", int(partition), group if colon else None)


def stage_of(rule: Rule, division: Division) -> Stage:
    if ALERT_FEED in rule.feeds:
        return "over"
    return "events" if division.field in rule.by else "wide"


def group_of(rule: Rule) -> str:
    """Wide rules with the same key are of one group, and share an engine in each partition."""
    return ",".join(rule.by)


def loader(origin: Origin, division: Division) -> Callable[[Mapping[str, object]], RuleSet]:
    """Loads a rule set's bundle for one engine."""

    def load(bundle: Mapping[str, object]) -> RuleSet:
        return share(load_bundle(bundle), origin, division)

    return load


def share(ruleset: RuleSet, origin: Origin, division: Division) -> RuleSet:
    """The rules that an engine runs; of the keys that must report, those that are at home in its partition."""
    rules = [
        replace(rule, expect=_expected(rule, ruleset.catalog, origin, division)) if rule.expect else rule
        for rule in ruleset.rules
        if stage_of(rule, division) == origin.stage and origin.group in {None, group_of(rule)}
    ]
    return replace(ruleset, rules=tuple(rules))


def _expected(rule: Rule, catalog: FeedCatalog, origin: Origin, division: Division) -> tuple[Mapping[str, object], ...]:
    if origin.stage == "over":
        return rule.expect
    types = {name: PHYSICAL[catalog.field_type(rule.feed, name) or "string"] for name in rule.by}
    keys = pl.DataFrame([dict(key) for key in rule.expect], schema=types, strict=False)
    if origin.stage == "wide":
        at_home = homes(key_texts(keys, rule.by), division.wide)
    else:
        at_home = homes(division.values(keys), division.partitions)
    return tuple(key for key, home in zip(rule.expect, at_home, strict=True) if home == origin.partition)


def key_texts(frame: pl.DataFrame, by: tuple[str, ...]) -> pl.Series:
    """Each row's key as one text, by which its partition is told; null where a part is missing: such a row has no key."""
    if not by:
        return pl.repeat("", len(frame), dtype=pl.String, eager=True)
    parts = [pl.col(name).cast(pl.String) for name in by]
    return frame.select(pl.concat_str(parts, separator=_BETWEEN, ignore_nulls=False)).to_series()


@dataclass(frozen=True)
class Passing:
    """The events of a feed that rules downstream are to see: those at which one of ``masks`` holds, all where it is None.

    ``group``: of the wide rules with the key ``by``; None for rules over alerts that read this feed too.
    """

    feed: str
    group: str | None
    by: tuple[str, ...]
    masks: tuple[Expr, ...] | None

    def rows(self, frame: pl.DataFrame) -> pl.Series:
        """Boolean, a value a row of the feed's ``frame``."""
        if self.masks is None:
            return pl.repeat(value=True, n=len(frame), dtype=pl.Boolean, eager=True)
        holds = [mask.expr.fill_null(value=False) for mask in self.masks]
        made = frame.select(pl.any_horizontal(holds)).to_series()
        return made if len(made) == len(frame) else made.new_from_index(0, len(frame))


def passings(ruleset: RuleSet, division: Division) -> list[Passing]:
    """What the engines of the events pass on, by feed and group."""
    found: dict[tuple[str, str | None, tuple[str, ...]], list[Expr | None]] = {}
    for rule in ruleset.rules:
        stage = stage_of(rule, division)
        if stage == "events" or rule.mode == "off":
            continue
        group, by = (group_of(rule), rule.by) if stage == "wide" else (None, ())
        for feed in sorted(rule.feeds - {ALERT_FEED}):
            found.setdefault((feed, group, by), []).extend(_conditions(rule, feed))
    return [
        Passing(feed, group, by, None if None in masks else tuple({mask.text: mask for mask in masks if mask}.values()))
        for (feed, group, by), masks in found.items()
    ]


def _conditions(rule: Rule, feed: str) -> list[Expr | None]:
    """Where a rule looks at an event of the feed: at all of them for None."""
    if rule.kind != "sequence":
        return [rule.where]
    steps = [step.where for step in rule.sequence if step.feed == feed]
    unless = [step.unless[1] for step in rule.sequence if step.unless is not None and step.unless[0] == feed]
    return [*steps, *unless]


def groups(ruleset: RuleSet, division: Division) -> list[str]:
    """The groups of wide rules."""
    return sorted({group_of(rule) for rule in ruleset.rules if stage_of(rule, division) == "wide"})
