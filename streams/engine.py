"""The engine: log records in, transitions out. No sockets, no clock, no randomness; any stretch of log replays to the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from events import alert_events
from events.feeds import ALERT_FEED
from events.record import Act, Activation, Alerts, End, EventBatch, Frontier, Record, Tick
from events.times import parse_instant
from events.transition import Transition, key_json
from rules.arrays import NEVER, Ints
from rules.book import AlertBook, Outcome, Step, place_of
from rules.kinds.runtime import Runtime
from rules.kinds.window import Panel
from rules.load import load_bundle
from rules.model import Rule, RuleSet
from rules.panes import PaneTable
from rules.sessions import SessionTable
from rules.sliding import SlidingTable
from rules.storms import Storms
from rules.stretch import Passage, Stretch
from streams import snapshot
from streams.program import Lane, Program
from streams.watermark import Halt, Movement, UpstreamMarks, Watermarks

#: feed -> its watermark after each of some records
MarkOf = Callable[[str], Ints]

RULE_REMOVED = "rule_removed"
RULE_CHANGED = "rule_changed"
#: How often (event time) silent keys are looked for.
_SWEEP_MS = 3_600_000


class Engine:
    """``step`` takes records in log order and gives the transitions they cause.

    ``pos`` is the log position up to which everything has been taken; a snapshot covers the log to there.

    An engine ``downstream`` of others reads what they pass on: its watermarks, and which events are late, are theirs to say.
    """

    def __init__(
        self,
        ruleset: RuleSet,
        *,
        since: Mapping[str, int] | None = None,
        levels: Mapping[tuple[str, str], int] | None = None,
        downstream: bool = False,
    ) -> None:
        """``since``, ``levels``: of an engine that is restored, what its program knew of when rules came, and of those that went."""
        self.pos = 0
        self._book = AlertBook()
        self._storms = Storms(self._book)
        self._program = Program(ruleset, self._book, since, levels=levels)
        self._downstream = downstream
        self._marks = UpstreamMarks(ruleset.catalog) if downstream else Watermarks(ruleset.catalog)
        self._frames = 0
        self._swept = NEVER
        #: rules that wait for the instant at which they come into force
        self._beginning = True
        self._fates: dict[tuple[str, str, str], int] = {}
        self._late: list[Ints] = []
        #: the watermark of the alert feed
        self._alert_mark = NEVER
        self._made: list[Step] = []
        #: gives the rule set of an activation's bundle: whoever has just loaded it can spare the engine doing so again
        self.load: Callable[[Mapping[str, object]], RuleSet] = load_bundle

    @property
    def ruleset(self) -> RuleSet:
        return self._program.ruleset

    @property
    def clock_ms(self) -> int | None:
        """The greatest event or tick time so far."""
        return None if self._marks.clock == NEVER else self._marks.clock

    def runtime(self, rule: str) -> Runtime | None:
        """A rule at work, for those who look on; None where it is not in force."""
        return next((one for (name, _), one in self._program.runtimes.items() if name == rule), None)

    def knows(self, alert: str) -> bool:
        """Is there such an alert, open or resolved lately?"""
        return self._book.get(alert) is not None

    def watermarks(self) -> dict[str, int]:
        return self._marks.marks()

    @property
    def alert_mark(self) -> int:
        """No alert of these rules will be about an earlier time, but those of late events."""
        return min(map(self._marks.mark, self._program.alert_sources), default=self._marks.clock)

    def keyless(self) -> dict[str, int]:
        """Rule id -> matching events that had no whole key."""
        counts = {rule: runtime.keyless for (rule, _), runtime in self._program.runtimes.items()}
        for lane in (*self._program.lanes.values(), *self._program.alert_lanes.values()):
            tables: list[tuple[PaneTable | SessionTable | SlidingTable, Sequence[Panel[Any]]]] = [
                *lane.panes,
                *lane.sliding,
            ]
            counts |= {
                one.rule.id: table.keyless for table, panels in tables for panel in panels for one in panel.rules
            }
        return {rule: count for rule, count in counts.items() if count}

    @property
    def forgotten(self) -> int:
        """Keys forgotten since the rule set was put in force."""
        return self._program.forgotten

    def begin(self, at_ms: int) -> None:
        """The rules come into force at this time, and not with the first event: keys that must report are heard then."""
        self._begin(at_ms)

    def step(self, records: Sequence[Record]) -> Outcome:
        """Take records in log order."""
        for record in records:
            match record:
                case EventBatch():
                    self._events(record)
                case Tick(pos, at_ms):
                    self._pass(np.array([pos], np.int64), np.array([at_ms], np.int64))
                case End(pos, at_ms):
                    self._pass(
                        np.array([pos], np.int64),
                        np.array([self._marks.greatest if at_ms is None else at_ms], np.int64),
                        Halt,
                    )
                    told = self._storms.finish(pos, self._marks.clock)
                    self._made = sorted([*self._made, *told], key=place_of)
                case Act():
                    self._act(record)
                case Activation():
                    self._activate(record)
                case Frontier(pos, clock_ms, marks):
                    assert isinstance(self._marks, UpstreamMarks), "only an engine downstream of others is told of them"
                    self._rest(np.array([pos], np.int64), self._marks.shift(clock_ms, marks), {})
                case Alerts(pos, transitions):
                    self.pos = pos
                    self._stand_still(pos, [_told(transition, pos) for transition in transitions])
        if self._marks.clock - self._swept > _SWEEP_MS:
            self._swept = self._marks.clock
            self._program.forget(self._mark)
        made, self._made = self._made, []
        fates, self._fates = self._fates, {}
        transitions = [step.transition for step in made if step.transition is not None]
        late, self._late = self._late, []
        return Outcome(transitions, [step.cause for step in made], self._book.refusals(), fates, late)

    def _events(self, batch: EventBatch) -> None:
        frame = batch.frame
        if not len(frame):
            return
        pos = batch.pos.to_numpy()
        time = frame["time"].to_numpy()
        times = time if batch.receipt_ms is None else np.minimum(time, batch.receipt_ms.to_numpy())
        self._begin(int(times[0]))
        feeds = frame["feed"]
        names = feeds.drop_nulls().unique().to_list()
        rows_of: dict[str, Ints | None] = dict.fromkeys(names)
        if len(names) > 1 or feeds.null_count():
            rows_of = {name: (feeds == name).arg_true().to_numpy().astype(np.int64) for name in sorted(names)}
        movement = self._marks.advance(times, rows_of)
        self._marks.greatest = max(self._marks.greatest, int(time.max()))
        self._frames += 1
        everything = np.arange(len(frame), dtype=np.int64)
        for feed, rows in rows_of.items():
            own = time if rows is None else time[rows]
            if batch.late is None:
                late = movement.late(feed, rows, own)
                any_late = bool(late.any())
                self._count(batch, feed, rows, late if any_late else None)
            else:
                late = batch.late.to_numpy() if rows is None else batch.late.to_numpy()[rows]
                any_late = bool(late.any())
            if any_late:
                self._late.append(pos[late] if rows is None else pos[rows][late])
            lane = self._program.lanes.get(feed)
            if lane is None:
                continue
            passage = Passage(pos, movement.of(feed))
            some = frame.select(self._program.reads[feed])
            if rows is not None:
                some = some[rows]
            arrived = lane.arrive(some, own, everything if rows is None else rows, self._frames, passage)
            on_time = ~late
            for sequence, sources in self._program.sequences:
                if feed in sources:
                    sequence.arrive(feed, arrived, on_time, pos if rows is None else pos[rows])
            lane.run(arrived, on_time if any_late else None, passage)
        self._rest(pos, movement, rows_of)

    def _pass(self, pos: Ints, times: Ints, kind: type[Movement] = Movement) -> None:
        """Only time passes."""
        movement = self._marks.advance(times, {}, kind)
        self._rest(pos, movement, {})

    def _rest(self, pos: Ints, movement: Movement, done: dict[str, Ints | None]) -> None:
        """Feeds that did not speak move on with the clock; sequences by the least of their feeds' watermarks."""
        lanes = self._program.lanes
        for feed, lane in lanes.items():
            if feed not in done:
                lane.run(None, None, Passage(pos, movement.of(feed)))
        for sequence, feeds in self._program.sequences:
            if not sequence.rule.level:
                sequence.release(Passage(pos, _least(feeds, movement.of)))
        self._pass_on(pos, movement.of)
        movement.finish([*lanes, *(feed for feed in done if feed not in lanes)])
        self.pos = int(pos[-1])

    def _count(self, batch: EventBatch, feed: str, rows: Ints | None, late: np.ndarray[Any, Any] | None) -> None:
        total = len(batch.frame) if rows is None else len(rows)
        self._add(feed, "", "on_time", total)
        if late is None:
            return
        sources = batch.frame["source"] if rows is None else batch.frame["source"][rows]
        for source, count in sources.filter(late).value_counts().rows():
            self._add(feed, source, "late", count)
            self._add(feed, "", "on_time", -count)

    def _add(self, feed: str, source: str, fate: str, count: int) -> None:
        name = (feed, source, fate)
        self._fates[name] = self._fates.get(name, 0) + count

    def _begin(self, at_ms: int) -> None:
        if self._beginning:
            self._beginning = False
            for runtime in self._program.runtimes.values():
                runtime.begin(at_ms)

    def _act(self, act: Act) -> None:
        self.pos = act.pos
        alert = self._book.get(act.alert)
        runtime = None if alert is None else self._program.runtimes.get((alert.rule, alert.version))
        transition = self._book.act(act, count=runtime.trues(act.alert) if runtime else None)
        if runtime is not None and transition is not None and transition.type == "resolved":
            runtime.resolve(transition.alert)
        self._stand_still(act.pos)

    def _activate(self, activation: Activation) -> None:
        """A new rule set: rules that mean the same keep their state, the alerts of those that are gone are closed."""
        self.pos = activation.pos
        ruleset = self.load(activation.bundle)
        old = self._program
        # before the first rules nothing waited
        self._program = Program(ruleset, self._book, old.since, activation.pos if old.rules else 0, old.levels)
        self._program.load(old.state())
        self._marks.catalog = ruleset.catalog
        still = {rule.id for rule in self._program.rules}
        for name, runtime in old.runtimes.items():
            if name not in self._program.runtimes:
                reason = RULE_CHANGED if name[0] in still else RULE_REMOVED
                runtime.retire(activation.at_ms, activation.pos, reason)
        if self._marks.clock != NEVER:
            self._program.remember(old, self._marks.clock)
        self._storms.bind(ruleset.rules)
        self._beginning = True
        self._begin(activation.at_ms)
        self._stand_still(activation.pos)

    def _mark(self, feed: str) -> int:
        return self._alert_mark if feed == ALERT_FEED else self._marks.mark(feed)

    # --- alerts

    def _stand_still(self, pos: int, told: Sequence[Step] = ()) -> None:
        """A record that moves no time, but perhaps alerts."""
        self._pass_on(np.array([pos], np.int64), lambda feed: np.array([self._marks.mark(feed)], np.int64), told)

    def _pass_on(self, pos: Ints, mark_of: MarkOf, told: Sequence[Step] = ()) -> None:
        """Take the steps of alerts that came of the records at ``pos``; rules over alerts see them, level by level.

        ``told``: those of other engines, which are not ours to pass on.
        """
        program = self._program
        # never back, also where a new rule set brings a feed that lags
        wm = np.full(len(pos), self._alert_mark, np.int64)
        if self._downstream:
            np.maximum(wm, mark_of(ALERT_FEED), out=wm)
        elif program.alert_lanes and program.alert_sources:
            np.maximum(wm, _least(program.alert_sources, mark_of), out=wm)

        def passed(rule: Rule, at_ms: int) -> int | None:
            if not rule.feeds <= set(program.catalog.readable):
                return None  # it is gone, and its feed with it
            marks = _least(sorted(rule.feeds), lambda feed: wm if feed == ALERT_FEED else mark_of(feed))
            index = int(np.searchsorted(marks, at_ms, side="right"))
            return int(pos[index]) if index < len(pos) else None

        made = self._storms.pass_on(self._book.harvest(), passed, level=0)
        self._made += made
        made = [*told, *made] if told else made
        if not program.alert_lanes:
            return
        passage = Passage(pos, wm)
        for level, lane in sorted(program.alert_lanes.items()):
            arrived, on_time = self._arrived(lane, made, passage)
            lane.run(arrived, on_time, passage)
            for sequence, feeds in program.sequences:
                if sequence.rule.level == level:
                    if arrived is not None and on_time is not None and ALERT_FEED in feeds:
                        sequence.arrive(ALERT_FEED, arrived, on_time, pos[arrived.cause], numbered=True)
                    others = [feed for feed in feeds if feed != ALERT_FEED]
                    sequence.release(Passage(pos, np.minimum(wm, _least(others, mark_of)) if others else wm))
            more = self._storms.pass_on(self._book.harvest(), passed, level=level)
            if more:
                made = sorted([*made, *more], key=place_of)
                self._made = sorted([*self._made, *more], key=place_of)
        before = self._alert_mark_before(passage)
        for step in made:
            if step.at_ms < before[np.searchsorted(pos, step.cause)]:
                self._add(ALERT_FEED, alert_events.SOURCE, "late", 1)
        self._alert_mark = int(wm[-1])

    def _alert_mark_before(self, passage: Passage) -> Ints:
        """The watermark of the alerts as each record came."""
        before: Ints = np.concatenate(([self._alert_mark], passage.wm[:-1]))
        return before

    def _arrived(
        self, lane: Lane, made: list[Step], passage: Passage
    ) -> tuple[Stretch, NDArray[np.bool_]] | tuple[None, None]:
        """Transitions as events of the alert feed, and which of them are on time: they arrive with the record that caused them."""
        if not made:
            return None, None
        frame = alert_events.frame_of([step.transition for step in made if step.transition], self._program.levels)
        time = frame["time"].to_numpy()
        cause = np.searchsorted(passage.pos, np.array([step.cause for step in made], np.int64))
        on_time: NDArray[np.bool_] = time >= self._alert_mark_before(passage)[cause]
        self._frames += 1
        return lane.arrive(frame.select(lane.reads), time, cause, self._frames, passage), on_time

    def snapshot(self) -> bytes:
        """All that is needed to go on from ``pos``."""
        return snapshot.pack(
            {
                "pos": self.pos,
                "bundle": dict(self.ruleset.bundle),
                "book": self._book.state(),
                "marks": self._marks.state(),
                "program": self._program.state(),
                "since": self._program.since,
                "levels": [[*rule, level] for rule, level in self._program.levels.items()],
                "frames": self._frames,
                "swept": self._swept,
                "beginning": self._beginning,
                "storms": self._storms.state(),
                "alert_mark": self._alert_mark,
            }
        )

    @classmethod
    def restore(
        cls, data: bytes, load: Callable[[Mapping[str, object]], RuleSet] = load_bundle, *, downstream: bool = False
    ) -> Engine:
        """The engine as it was. SnapshotError where this version cannot read it: then rebuild from the log."""
        state = snapshot.unpack(data)
        levels = {(rule, version): level for rule, version, level in state["levels"]}
        engine = cls(load(state["bundle"]), since=state["since"], levels=levels, downstream=downstream)
        engine.load = load
        engine.pos = state["pos"]
        engine._book.load(state["book"])
        engine._marks.load(state["marks"])
        engine._program.load(state["program"])
        engine._frames = state["frames"]
        engine._swept = state["swept"]
        engine._beginning = state["beginning"]
        engine._storms.load(state["storms"], engine.ruleset.rules)
        engine._alert_mark = state["alert_mark"]
        return engine


def _told(transition: Transition, cause: int) -> Step:
    """What another engine told, as a step that has been made."""
    at_ms, key = parse_instant(transition.at), key_json(transition.key)
    one = transition
    return Step(cause, at_ms, one.rule, key, 0, one.n, one.type, one.alert, one.severity, one, one.reason, None)


def _least(feeds: Sequence[str], mark_of: MarkOf) -> Ints:
    """The least of some feeds' watermarks after each record."""
    least = mark_of(feeds[0])
    for feed in feeds[1:]:
        least = np.minimum(least, mark_of(feed))
    return least
