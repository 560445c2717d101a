"""One fixture through the engine, as the embedded runner would take its events, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from events.decode import Decoder
from events.feeds import ALERT_FEED
from events.record import Act, End, EventBatch, Record, Tick
from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.comparison import Row, compare
from fengsui.workbench.fixture import Deed, Expectation, Fixture, Put
from fengsui.workbench.probe import Seen, look, probes
from rules.model import Rule, RuleSet
from streams.dedupe import Dedupe
from streams.engine import Engine


@dataclass(frozen=True)
class Verdict:
    """``problems``: what kept the fixture from being played as written. ``late``, ``keyless``, ``duplicate``: events."""

    fixture: Fixture
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    #: expectation that did not come true -> what its rule saw up to then
    seen: Mapping[Expectation, tuple[Seen, ...]] = field(default_factory=dict)
    late: int = 0
    keyless: int = 0
    duplicate: int = 0

    @property
    def passed(self) -> bool:
        return not self.problems and all(row.kind == "same" for row in self.rows)


class Stage:
    """What fixtures of one directory share. May be used for any number of them, one after the other."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._ruleset = ruleset
        self._rules = {rule.id: rule for rule in ruleset.rules}
        self._decoder = Decoder(ruleset.catalog)
        feeds = ruleset.catalog.feeds.values()
        #: after so long without an event, every watermark has passed it
        self._settle_ms = max((feed.idle_ms + feed.lateness_ms for feed in feeds), default=0) + 1

    def run(self, fixture: Fixture, *, batch: int | None = None) -> Verdict:
        """``batch``: events a step, which changes nothing in the verdict."""
        run = _Run(self._cast(fixture), self._decoder, fixture)
        run.play(self._settle_ms, batch)
        happened = [t for t in run.made if t.rule in fixture.rules and parse_instant(t.at) <= fixture.until_ms]
        rows = compare(fixture.expectations, happened, last_ms=fixture.last_ms)
        missing = [row.expectation for row in rows if row.kind == "missing" and row.expectation is not None]
        missing = [expectation for expectation in missing if expectation.type != "closed"]
        return Verdict(
            fixture=fixture,
            rows=rows,
            problems=tuple(run.problems),
            seen=self._seen(fixture, missing),
            late=run.late,
            keyless=sum(count for rule, count in run.engine.keyless().items() if rule in fixture.rules),
            duplicate=run.duplicate,
        )

    def _seen(self, fixture: Fixture, missing: list[Expectation]) -> dict[Expectation, tuple[Seen, ...]]:
        found: dict[Expectation, tuple[Seen, ...]] = {}
        for name in sorted({expectation.rule for expectation in missing}):
            cast = self._cast(replace(fixture, rules=(name,)))
            for probe in probes(self._rules[name]):
                rules = tuple(probe.rule if rule.id == name else rule for rule in cast.rules)
                run = _Run(replace(cast, rules=rules), self._decoder, replace(fixture, deeds=()))
                run.play(self._settle_ms, None)
                shown = [t for t in run.made if t.rule == name and parse_instant(t.at) <= fixture.until_ms]
                for expectation in missing:
                    if expectation.rule == name:
                        found[expectation] = (*found.get(expectation, ()), look(probe, expectation, shown))
        return found

    def _cast(self, fixture: Fixture) -> RuleSet:
        """The rules that play: those tested, also where they are off; with one over alerts, all whose alerts it may see."""
        tested = [self._rules[name] for name in fixture.rules]
        playing = self._ruleset.rules if any(ALERT_FEED in rule.feeds for rule in tested) else tested
        awake = tuple(_awake(rule) if rule.id in fixture.rules else rule for rule in playing)
        return replace(self._ruleset, rules=tuple(sorted(awake, key=lambda rule: rule.id)))


def _awake(rule: Rule) -> Rule:
    return replace(rule, mode="on") if rule.mode == "off" else rule


class _Run:
    """The engine's log, made of a fixture."""

    def __init__(self, ruleset: RuleSet, decoder: Decoder, fixture: Fixture) -> None:
        self.engine = Engine(ruleset)
        self.made: list[Transition] = []
        self.problems: list[str] = []
        self.late = 0
        self.duplicate = 0
        self._fixture = fixture
        self._decoder = decoder
        self._pos = 0
        self._clock_ms = fixture.timeline.start_ms

    def play(self, settle_ms: int, batch: int | None) -> None:
        fixture = self._fixture
        self.engine.begin(self._clock_ms)
        puts, frame = self._events()
        deeds = sorted(fixture.deeds, key=lambda deed: deed.at_ms)
        done = 0
        for deed in deeds:
            upto = done
            while upto < len(puts) and puts[upto].receipt_ms <= deed.at_ms:
                upto += 1
            self._play(puts[done:upto], frame[done:upto], batch)
            done = upto
            self._tick(deed.at_ms)
            self._act(deed)
        self._play(puts[done:], frame[done:], batch)
        if fixture.receipts:
            self._tick(fixture.until_ms + settle_ms)
        else:
            # one more, as an absence is only known once its time has passed
            self._step(End(self._next(), fixture.until_ms + 1))

    def _events(self) -> tuple[list[Put], pl.DataFrame]:
        """In order of arrival, each (source, id) once."""
        puts = sorted(self._fixture.puts, key=lambda put: put.receipt_ms)
        decoded = self._decoder.decode(b"\n".join(put.line for put in puts))
        frame = decoded.frame
        for refused in decoded.rejected:
            self.problems.append(f"an event was refused: {refused.reason}, {refused.detail}: {refused.raw.decode()}")
        puts = [puts[line - 1] for line in decoded.lines]
        if len(frame) and frame.select("source", "id").is_duplicated().any():
            arrived = np.array([put.receipt_ms for put in puts], np.int64)
            fresh = Dedupe().fresh(frame, np.maximum.accumulate(arrived))
            self.duplicate = len(frame) - int(np.count_nonzero(fresh))
            frame, puts = frame.filter(fresh), [put for put, new in zip(puts, fresh, strict=True) if new]
        return puts, frame

    def _play(self, puts: list[Put], frame: pl.DataFrame, batch: int | None) -> None:
        for begin, end in self._stretches(puts, batch):
            some = puts[begin:end]
            pos = pl.Series("pos", range(self._pos + 1, self._pos + 1 + len(some)), dtype=pl.Int64)
            self._pos += len(some)
            receipt = pl.Series("receipt_ms", [put.receipt_ms for put in some], dtype=pl.Int64)
            self._step(EventBatch(frame[begin:end], pos, receipt if self._fixture.receipts else None))

    def _stretches(self, puts: list[Put], batch: int | None) -> Iterator[tuple[int, int]]:
        """Cuts before each event that comes later than it was stamped: live, ticks would have moved the clock to its arrival.

        Before one that comes at once they change nothing: no watermark is ever ahead of the clock.
        """
        begin = 0
        for i, put in enumerate(puts):
            delayed = self._fixture.receipts and put.receipt_ms > put.time_ms
            if i > begin and (delayed or (batch and i - begin >= batch)):
                yield begin, i
                begin = i
            if delayed:
                self._tick(put.receipt_ms)
        if begin < len(puts):
            yield begin, len(puts)

    def _tick(self, at_ms: int) -> None:
        if at_ms > self._clock_ms:
            self._clock_ms = at_ms
            self._step(Tick(self._next(), at_ms))

    def _act(self, deed: Deed) -> None:
        alert = next((t for t in reversed(self.made) if t.rule == deed.rule and _about(deed, t.key)), None)
        if alert is None:
            told = self._fixture.timeline.tell(deed.at_ms)
            self.problems.append(
                f"{deed.place.file}:{deed.place.line}: 当时没有可处理的预警 · no alert to {deed.verb} yet at {told}; "
                "a window is judged once its feed's lateness (and where the feed is silent, its idle time) has passed"
            )
            return
        act = Act(self._next(), deed.at_ms, f"act{self._pos}", alert.alert, deed.verb, deed.by, deed.note, deed.to)
        self._step(act)

    def _next(self) -> int:
        self._pos += 1
        return self._pos

    def _step(self, record: Record) -> None:
        outcome = self.engine.step([record])
        self.made += outcome.transitions
        self.problems += [f"处理被拒绝 · refused: {reason}" for _, reason in outcome.refusals]
        self.late += sum(count for (_, _, fate), count in outcome.fates.items() if fate == "late")


def _about(deed: Deed, key: Mapping[str, object]) -> bool:
    return all(want.fits(key.get(name)) for name, want in deed.key)
