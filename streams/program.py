"""A rule set made ready to run: plans, shared tables and one runtime a rule, feed by feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from events.feeds import ALERT_FEED, PHYSICAL, FeedCatalog
from rules.arrays import Ints, Renumbering
from rules.book import AlertBook
from rules.judging import Sheet
from rules.keys import KeyIndex
from rules.kinds.absent import Absent
from rules.kinds.baseline import Baselined
from rules.kinds.each import Each, EachGroup
from rules.kinds.new import New
from rules.kinds.runtime import EpisodeRuntime, Runtime
from rules.kinds.sequence import Sequence
from rules.kinds.window import Panel, Sliding, Windowed, panels
from rules.model import Aggregate, Rule, RuleSet
from rules.panes import PaneTable
from rules.plan import TEXT, FeedPlan
from rules.rings import Rings
from rules.seeing import seeing
from rules.sessions import SessionTable
from rules.sliding import SlidingTable
from rules.stretch import ROW_BITS, Passage, Stretch
from streams.release import Release

#: How old an event may be that still meets the instant of an opening.
_LATELY_MS = 86_400_000
#: Rules over alerts that are gone and still remembered as such.
_LEVELS_KEPT = 10_000


@dataclass
class Lane:
    """Everything that reads one feed. ``name``: the feed's, or of the alert feed with the level of its readers."""

    name: str
    feed: str
    plan: FeedPlan
    regions: KeyIndex
    keys: dict[tuple[str, ...], KeyIndex] = field(default_factory=dict)
    each: dict[str, EachGroup] = field(default_factory=dict)
    absent: list[Absent] = field(default_factory=list)
    new: list[New] = field(default_factory=list)
    panes: list[tuple[PaneTable | SessionTable, list[Panel[Windowed]]]] = field(default_factory=list)
    sliding: list[tuple[SlidingTable, list[Panel[Sliding]]]] = field(default_factory=list)
    release: Release = field(default_factory=Release)

    def index(self, by: tuple[str, ...]) -> KeyIndex:
        """One index for all rules of the feed with the same key. Fields of another type make another one, also under their old names."""
        types = [self.plan.catalog.field_type(self.feed, name) or "string" for name in by]
        return self.keys.setdefault(by, KeyIndex(by, "" if set(types) <= {"string"} else ", ".join(types)))

    @property
    def ordered(self) -> bool:
        """Some rule needs the events in time order."""
        return bool(self.absent or self.new or self.panes or self.sliding)

    @property
    def shown(self) -> set[str]:
        """The columns that transitions show of an event."""
        showing: list[Each | New] = [*(each for group in self.each.values() for each in group.rules), *self.new]
        return {*TEXT, *(column for rule in showing for column in rule.text)}

    @property
    def reads(self) -> list[str]:
        """The columns of a frame that anything here looks at."""
        return sorted({*self.plan.reads(), *self.shown})

    def arrive(self, frame: pl.DataFrame, time: Ints, cause: Ints, number: int, passage: Passage) -> Stretch:
        """Compute the plan's columns for the feed's events of a batch. ``number`` names the frame in ``src``."""
        text = frame.select(sorted(self.shown), **self.plan.texts)
        src = (number << ROW_BITS) | np.arange(len(frame), dtype=np.int64)
        return Stretch(self.plan.compute(frame, time), time, cause, src, {number: text}, passage, frame)

    def run(self, arrived: Stretch | None, on_time: np.ndarray[Any, Any] | None, passage: Passage) -> None:
        """Judge what arrived and what the watermark releases."""
        frame = None if arrived is None else arrived.frame
        sheet = None if frame is None else Sheet(lambda: frame)
        for group in self.each.values():
            if arrived is not None and sheet is not None:
                group.take(arrived, sheet)
            group.pass_time(passage)
        if not self.ordered:
            return
        released = self.release.take(arrived, on_time, passage)
        for table, windowed in self.panes:
            fired = table.take(released)
            for panel in windowed:
                if fired is not None:
                    for window, judged in panel.judge(fired.values, fired.code, panel.rules[0].measured(fired)):
                        window.take(fired, judged, passage)
                panel.pass_time(passage)
        for slides, sliding in self.sliding:
            slid = slides.take(released)
            for slider in sliding:
                if slid is not None:
                    for rule, judged in slider.judge(slid.values, slid.code):
                        rule.take(slid, judged, released)
                slider.pass_time(passage)
        for absent in self.absent:
            absent.take(released)
        for new in self.new:
            new.take(released)


class Program:
    """``parts`` are all things with state, by a name that holds as long as their meaning does."""

    def __init__(
        self,
        ruleset: RuleSet,
        book: AlertBook,
        since: Mapping[str, int] | None = None,
        now: int = 0,
        levels: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        """``since``: of the rules that were there before, the log position at which each came into force; of the others, ``now``."""
        self.ruleset = ruleset
        self.catalog: FeedCatalog = ruleset.catalog
        self.rules = [rule for rule in ruleset.rules if rule.mode != "off"]
        self.since = {_identity(rule): (since or {}).get(_identity(rule), now) for rule in self.rules}
        self.lanes: dict[str, Lane] = {}
        self.sequences: list[tuple[Sequence, tuple[str, ...]]] = []
        self.runtimes: dict[tuple[str, str], Runtime] = {}
        self.parts: dict[str, Any] = {}
        self._book = book
        #: key index -> what refers to its codes, and how long a silent key is kept
        self._users: dict[KeyIndex, list[Any]] = {}
        self._keep_ms: dict[KeyIndex, int] = {}
        self._feeds_of: dict[KeyIndex, set[str]] = {}
        self.forgotten = 0
        #: by level from 1 up: what reads alerts, and the sequences that do
        self.alert_lanes: dict[int, Lane] = {}
        #: of rules over alerts by id and version, also of those that are gone: their alerts may still be told of
        self.levels = dict(list((levels or {}).items())[-_LEVELS_KEPT:])
        self.levels |= {(rule.id, rule.version): rule.level for rule in self.rules if rule.level}
        #: the feeds whose rules feed the alerts
        self.alert_sources = sorted({feed for rule in self.rules for feed in rule.feeds} - {ALERT_FEED})
        rules = [seeing(rule) for rule in self.rules]
        for rule in rules:
            if rule.window is None:
                self._add(rule)
        self._add_windows([rule for rule in rules if rule.window is not None])
        for lane in (*self.lanes.values(), *self.alert_lanes.values()):
            for index in lane.keys.values():
                self.parts[f"keys {lane.name} {index.name}"] = index
            self.parts[f"release {lane.name}"] = lane.release
        # keys first: what refers to them by code is loaded after
        self.parts = dict(sorted(self.parts.items(), key=lambda part: not part[0].startswith("keys ")))
        self.reads = {feed: lane.reads for feed, lane in self.lanes.items()}

    def lane(self, feed: str, level: int) -> Lane:
        """The lane of a rule's feed, made if it is the first to read it."""
        lanes: dict[Any, Lane] = self.alert_lanes if feed == ALERT_FEED else self.lanes
        place = level if feed == ALERT_FEED else feed
        if place not in lanes:
            regions = KeyIndex(("region",))
            name = f"{feed} {level}" if feed == ALERT_FEED else feed
            lanes[place] = Lane(name, feed, FeedPlan(feed, self.catalog), regions, {("region",): regions})
        return lanes[place]

    def _add(self, rule: Rule) -> None:
        if rule.kind == "sequence":
            keys = KeyIndex(rule.by, f"{rule.id} {rule.version}")
            plans = {feed: self.lane(feed, rule.level).plan for feed in rule.feeds}
            sequence = Sequence(rule, keys, self._book, plans)
            self.sequences.append((sequence, tuple(sorted(rule.feeds))))
            self.parts[f"keys {keys.name}"] = keys
            self._name(rule, sequence)
            return
        lane = self.lane(rule.feed, rule.level)
        keys = lane.index(rule.alert_key)
        match rule.kind:
            case "each":
                each = Each(rule, keys, self._book, lane.plan)
                self._each_group(lane, rule, keys).add(each)
                self._name(rule, each)
            case "new":
                new = New(rule, keys, self._book, lane.plan, since=self.since[_identity(rule)])
                lane.new.append(new)
                self._name(rule, new)
            case _:
                self._track_regions(lane, rule)
                since = self.since[_identity(rule)]
                absent = Absent(rule, keys, self._book, lane.plan, lane.regions, since=since)
                lane.absent.append(absent)
                self._name(rule, absent)

    def _scope(self, rule: Rule) -> str:
        """Names the events that a rule counts, and its keys."""
        where = rule.where.text if rule.where else ""
        hours = f" | {rule.only.text}" if rule.only else ""
        since = self.since[_identity(rule)]
        age = f" since {since}" if since else ""
        return f"{self.lane(rule.feed, rule.level).name} | {where} | {','.join(rule.by)}{hours}{age}"

    def _each_group(self, lane: Lane, rule: Rule, keys: KeyIndex) -> EachGroup:
        """Rules over the same events and keys are judged together."""
        name = f"each {self._scope(rule)}"
        if name not in lane.each:
            group = lane.each[name] = EachGroup(lane.plan.mask(rule.where, rule.only), lane.plan.key(keys), keys)
            self.parts[name] = group.arrivals
            self._users.setdefault(keys, []).append(group.arrivals)
        return lane.each[name]

    def _add_windows(self, rules: list[Rule]) -> None:
        """Rules over the same events, keys and windows share one table, whatever each measures: if they came into force together,
        for what came before a rule is not in its windows.
        """
        groups: dict[str, list[Rule]] = {}
        for rule in rules:
            name = f"{self._scope(rule)} | {rule.window}"
            groups.setdefault(name, []).append(rule)
        for name, group in groups.items():
            first = group[0]
            lane = self.lane(first.feed, first.level)
            keys = lane.index(first.by)
            aggregates: dict[str, Aggregate] = {
                aggregate.key: aggregate
                for rule in group
                for measure in rule.measures
                for aggregate in measure.aggregates
            }
            assert first.window is not None
            make = _TABLES[first.window.shape]
            shared = {"rings": self._shared_rings(first, keys)} if make is SlidingTable else {}
            table: Any = make(
                **shared,
                mask=lane.plan.mask(first.where, first.only, since=self.since[_identity(first)]),
                codes=lane.plan.key(keys),
                keys=keys,
                window=first.window,
                aggregates=list(aggregates.values()),
                plan=lane.plan,
            )
            self.parts[f"table {name}"] = table
            self._users.setdefault(keys, []).append(table)
            runtimes: list[Any] = []
            for rule in group:
                if make is SlidingTable:
                    runtimes.append(Sliding(rule, keys, self._book))
                else:
                    self._track_regions(lane, rule)
                    kind = Baselined if rule.baseline else Windowed
                    runtimes.append(kind(rule, keys, self._book, lane.regions))
                self._name(rule, runtimes[-1])
            (lane.sliding if make is SlidingTable else lane.panes).append((table, panels(runtimes)))

    def _shared_rings(self, rule: Rule, keys: KeyIndex) -> Rings:
        """Sliding windows of all sizes over the same events and keys share what is exact."""
        name = f"rings {self._scope(rule)}"
        if name not in self.parts:
            self.parts[name] = Rings()
            self._users.setdefault(keys, []).append(self.parts[name])
        rings: Rings = self.parts[name]
        return rings

    def _track_regions(self, lane: Lane, rule: Rule) -> None:
        """Where a subject was last heard; a key that names its region, or no subject, does not ask."""
        if "subject" in rule.by and "region" not in rule.by:
            lane.plan.key(lane.regions)

    def _name(self, rule: Rule, runtime: Runtime) -> None:
        self.runtimes[rule.id, rule.version] = runtime
        self.parts[f"rule {rule.id} {rule.version}"] = runtime
        self._users.setdefault(runtime.keys, []).append(runtime)
        self._keep_ms[runtime.keys] = max(rule.forget_ms, self._keep_ms.get(runtime.keys, 0))
        self._feeds_of.setdefault(runtime.keys, set()).update(rule.feeds)

    def remember(self, old: Program, now_ms: int) -> None:
        """Tell new and changed rules what opened lately: openings of one key in one millisecond are one, whatever the rule was then."""
        openings = self._book.openings(now_ms - _LATELY_MS)
        for name, runtime in self.runtimes.items():
            rule = runtime.rule
            of_rule = openings.get((rule.id, rule.feed), [])
            if name not in old.runtimes and isinstance(runtime, EpisodeRuntime):
                types = {field: PHYSICAL[self.catalog.field_type(rule.feed, field) or "string"] for field in rule.by}
                runtime.remember(of_rule, types, now_ms)

    def forget(self, mark_of: Callable[[str], int]) -> None:
        """Drop keys not heard of for ``forget`` that nothing refers to any more; what they were is of no consequence.

        ``mark_of``: a feed's watermark, for the next event on time may be as old as that.
        """
        for keys, users in self._users.items():
            if keys.name == "region":
                continue  # few, and others refer to them by code
            now_ms = min(map(mark_of, self._feeds_of[keys]))
            keep = ~keys.silent_since(now_ms - self._keep_ms[keys])
            if keep.all():
                continue
            for user in users:
                keep[user.busy()] = True
            gone = len(keep) - int(np.count_nonzero(keep))
            if gone == 0:
                continue
            renumbering = Renumbering(keep)
            for user in users:
                user.renumber(renumbering)
            for lane in (*self.lanes.values(), *self.alert_lanes.values()):
                if keys in lane.keys.values():
                    lane.release.renumber(f"@ {keys.name}", renumbering)
            keys.forget(renumbering)
            self.forgotten += gone

    def state(self) -> dict[str, Any]:
        return {name: part.state() for name, part in self.parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what has the same name: rules whose meaning did not change go on where they were."""
        for name, part in self.parts.items():
            if name in state:
                part.load(state[name])
        for lane in (*self.lanes.values(), *self.alert_lanes.values()):
            lane.release.complete(lane.plan.columns())


def _identity(rule: Rule) -> str:
    return f"{rule.id} {rule.version}"


_TABLES: dict[str, Any] = {
    "tumbling": PaneTable,
    "hopping": PaneTable,
    "session": SessionTable,
    "sliding": SlidingTable,
}
