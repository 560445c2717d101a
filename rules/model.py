"""A rule, parsed and type-checked: what the loader makes and the engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from events.feeds import FeedCatalog
from rules.calendar import Calendar

Kind = Literal["each", "window", "absent", "sequence", "new", "baseline"]
Type = Literal["string", "number", "integer", "boolean", "time", "null"]
Mode = Literal["on", "off", "shadow"]


@dataclass(frozen=True)
class Operand:
    """One side of a comparison of numbers. ``column``: its name, where it is a column and nothing else."""

    text: str
    expr: pl.Expr = field(compare=False)
    column: str | None


@dataclass(frozen=True)
class Comparison:
    """``left`` against ``right``, which may be a constant. ``sign``: = < <= > >=. Holds where neither side is null and it is so."""

    left: Operand
    sign: str
    right: Operand | float


@dataclass(frozen=True)
class Expr:
    """A checked expression. ``expr`` is ready for a Polars select: division floating, x/0 and NaN null.

    ``fields``: the columns that it reads: of the events' frame (over events), measures and key fields (over a window), or
    aggregates' keys (a measure). An expression without any is as long as the frame it is selected from.
    ``needs``: what must be so where a condition holds; where ``plain``, that is all there is to it. ``column``: its name, where
    the expression is a column and nothing else.
    """

    text: str
    expr: pl.Expr = field(compare=False)
    type: Type
    fields: frozenset[str]
    needs: tuple[Comparison, ...] = field(default=(), compare=False)
    plain: bool = field(default=False, compare=False)
    column: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Aggregate:
    """One aggregate call inside a measure. ``op``: count, count_distinct, sum, avg, min, max, stddev, median, quantile, first, last.

    ``input`` is its argument over the event's fields (None for ``count(*)``). ``key`` is the canonical text of the call: two
    aggregates with the same key over the same where, by and window are the same numbers. ``parameter``: the share of values
    that lie below a quantile (of a median 0.5).
    """

    op: str
    input: Expr | None
    key: str
    parameter: float | None = None


@dataclass(frozen=True)
class Measure:
    """A named value of a window: arithmetic over aggregates. ``expr`` reads columns named by ``Aggregate.key``."""

    name: str
    expr: Expr
    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True)
class Window:
    """``shape``: tumbling, hopping, sliding or session. ``every_ms`` equals ``size_ms`` when tumbling and is 0 when sliding.

    ``offset_ms``: windows start at ``offset_ms`` modulo ``every_ms`` from the epoch: local midnight for sizes from one day up.
    A session's ``size_ms`` is its gap, and ``max_ms`` the length at which it is cut; both are 0 where they have no meaning.
    """

    shape: Literal["tumbling", "hopping", "sliding", "session"]
    size_ms: int
    every_ms: int
    offset_ms: int = 0
    max_ms: int = 0


@dataclass(frozen=True)
class Baseline:
    """Earlier windows of the same key: those that end ``every_ms * k`` before this one, k from ``skip + 1`` to ``skip + last``.

    ``measures`` read this window's measures by name, and aggregate those of the earlier ones.
    """

    last: int
    skip: int
    every_ms: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Step:
    """One step of a sequence, with the ``unless`` that stands before it. ``absent`` only for the last."""

    feed: str
    where: Expr | None
    absent: bool = False
    unless: tuple[str, Expr | None] | None = None


@dataclass(frozen=True)
class Place:
    file: str
    line: int
    column: int = 1


@dataclass(frozen=True)
class Rule:
    """Fields follow the keys of a rule file (docs/rules.md); durations in milliseconds, None where the rule is silent."""

    id: str
    kind: Kind
    title: Mapping[str, str]
    domain: str
    feed: str
    by: tuple[str, ...]
    #: (severity, condition or None for ``true``), highest first as written; the first that holds
    severity: tuple[tuple[str, Expr | None], ...]
    summary: Mapping[str, str]
    version: str
    where: Expr | None = None
    when: Expr | None = None
    clear: Expr | None = None
    measures: tuple[Measure, ...] = ()
    window: Window | None = None
    #: when events exist for the rule (of an absence: when its alert may open)
    only: Calendar | None = None
    absent_ms: int | None = None
    expect: tuple[Mapping[str, object], ...] = ()
    sequence: tuple[Step, ...] = ()
    within_ms: int | None = None
    #: kind new: the fields whose values are remembered, for how long, and how long is learnt before anything opens
    new: tuple[str, ...] = ()
    memory_ms: int = 0
    learn_ms: int = 0
    baseline: tuple[Baseline, ...] = ()
    hold_ms: int = 0
    #: None: never (each, sequence, new), else as the contract's default, filled in by the loader
    clear_after_ms: int | None = None
    update_every_ms: int = 60_000
    auto_resolve: frozenset[str] = frozenset({"blue"})
    mode: Mode = "on"
    source: str = ""
    #: kinds each and new: the event fields that ``when``, ``clear``, ``severity`` and ``summary`` read, in the order of the feed; these
    #: are what a transition shows as measures
    shown: tuple[str, ...] = ()
    #: keys not heard of for this long are forgotten
    forget_ms: int = 604_800_000
    #: active alerts, and openings a minute, beyond which the rest is folded into one storm alert
    max_open: int = 500
    max_rate: int | None = None
    #: the rules over alerts that a rule over alerts names, and how far it stands above ordinary feeds (0: it reads only those)
    named: frozenset[str] = frozenset()
    level: int = 0
    place: Place = field(default=Place("", 0), compare=False)

    @property
    def alert_key(self) -> tuple[str, ...]:
        """The fields that an alert's key names: those of ``by``, and of a new value too."""
        return (*self.by, *self.new)

    @property
    def feeds(self) -> frozenset[str]:
        """Every feed that the rule reads."""
        named = {self.feed} if self.kind != "sequence" else set[str]()
        for step in self.sequence:
            named.add(step.feed)
            if step.unless:
                named.add(step.unless[0])
        return frozenset(named)


@dataclass(frozen=True)
class RuleSet:
    """All rules of a directory with the catalogue they were checked against. ``bundle`` holds the texts they came from."""

    rules: tuple[Rule, ...]
    catalog: FeedCatalog
    bundle: Mapping[str, object]
    version: str
