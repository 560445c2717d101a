"""Stored history against the log it was stored from: the same openings, however little is read and however it is cut up."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from events.decode import Decoder
from events.record import Act, EventBatch
from events.transition import Transition
from fengsui.workbench.backtest import Span, StoredRun
from fengsui.workbench.opening import OpeningBook
from fengsui.workbench.playback import Playback
from fengsui.workbench.warm_up import warm_up_ms
from rules.load import load_rules
from rules.model import RuleSet
from sinks.store.errors import StoreBusy
from sinks.store.history import Outline, Page
from sinks.store.store import Store
from streams.engine import Engine
from streams.log.entry import Entry, NewEntry, act_entry, events_entry, rules_entry, tick_entry, transition_entry
from streams.log.sqlite import SqliteLog
from streams.records import RecordReader, stretches
from tests.test_backtest import FEEDS, RULES

#: 2026-01-05T00:00:00Z
DAY0_MS = 1_767_571_200_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(f"chdb://{tmp_path_factory.mktemp('playback') / 'store'}") as store:
        yield store


@pytest.fixture(autouse=True)
def _empty(store: Store) -> None:
    with store._connections.writer() as client:
        for table in ("events", "controls", "transitions", "alerts"):
            client.command(f"TRUNCATE TABLE {table}")
    store.forget_positions()


class Small:
    """The store's history in pages of a few events; ``busy``: refuses larger ones, as for unusually large events."""

    def __init__(self, store: Store, page_rows: int, *, busy: int = 1 << 60) -> None:
        self.history = store.history
        self.page_rows = page_rows
        self.busy = busy
        self.refused = 0

    def outline(self, feeds: Collection[str], from_ms: int, to_ms: int) -> Outline:
        return self.history.outline(feeds, from_ms, to_ms)

    def page(
        self, feeds: Collection[str], after: int, *, span: int, rows: int = 0, before_ms: int | None = None
    ) -> Page:
        if rows > self.busy:
            self.refused += 1
            raise StoreBusy("too large")
        return self.history.page(feeds, after, span=span, rows=rows, before_ms=before_ms)

    def openings(self, rules: Collection[str], from_ms: int, to_ms: int) -> pl.DataFrame:
        return self.history.openings(rules, from_ms, to_ms)

    def bundle(self, pos: int) -> str | None:
        return self.history.bundle(pos)


def lived(log: SqliteLog, store: Store, ruleset: RuleSet, seed: int, *, minutes: int = 4) -> OpeningBook:
    """A log as a live system writes it, stored as its sinks do, with what its engine made of it; acts on what it opened."""
    rng = random.Random(seed)
    engine, reader = Engine(ruleset), RecordReader(Decoder(ruleset.catalog))
    book = OpeningBook([rule.id for rule in ruleset.rules], None)
    standing: list[str] = []
    told: list[Transition] = []
    engine.begin(DAY0_MS)
    log.append([rules_entry(dict(ruleset.bundle), at_ms=DAY0_MS)])
    now_ms, number, read = DAY0_MS, 0, 0
    while now_ms < DAY0_MS + minutes * 60_000:
        new: list[NewEntry] = []
        if rng.random() < 0.06:  # a silence
            for _ in range(rng.randrange(2, 9)):
                now_ms += 1_000
                new.append(tick_entry(now_ms))
        now_ms += rng.randrange(20, 900)
        lines = []
        for _ in range(rng.randrange(1, 4)):
            number += 1
            at_ms = now_ms + rng.choice([0, 0, -30, -700, -4_000, 2_000])
            event: dict[str, Any] = {
                "id": f"{seed}-{number}",
                "source": "t",
                "time": at_ms,
                "subject": f"s{rng.randrange(3)}",
            }
            if rng.random() < 0.7:
                event |= {"feed": "probe", "value": round(rng.uniform(0, 15), 1)}
            else:
                event |= {"feed": "visit", "kind": rng.choice("xyz")}
            lines.append(json.dumps(event).encode() + b"\n")
        new.append(events_entry(b"".join(lines), count=len(lines), at_ms=now_ms))
        if standing and rng.random() < 0.05:
            alert = rng.choice(standing)
            new.append(act_entry(Act(0, now_ms, f"a{number}", alert, "resolve", "officer")))
        log.append(new)
        entries = log.read(read)
        read = entries[-1].pos
        for stretch in stretches([entry for entry in entries if entry.kind != "rules"]):
            made = engine.step(reader.records(stretch)).transitions
            book.take(made)
            standing += [one.alert for one in made if one.type == "opened"]
            told += made
    store.insert_transitions(
        [
            Entry(
                seq,
                1,
                "transition",
                now_ms,
                transition_entry(msgspec.structs.replace(one, seq=seq), at_ms=now_ms).payload,
            )
            for seq, one in enumerate(told, 1)
        ]
    )
    position = 0
    while entries := log.read(position, rng.randrange(1, 400)):
        store.insert_log(entries)
        position = entries[-1].pos
    return book


@pytest.mark.parametrize("seed", [1, 2])
def test_a_store_plays_as_its_log_did(tmp_path: Path, store: Store, seed: int) -> None:
    """Of every kind, one rule at a time and all together, over pages of a few events: the openings of the log, to the millisecond."""
    ruleset = load_rules({"a.yaml": RULES, "feeds.yaml": FEEDS})
    with SqliteLog(tmp_path / "e.sqlite") as log:
        book = lived(log, store, ruleset, seed)
    lived_openings = book.openings()
    rng = random.Random(seed)
    span = Span(DAY0_MS - 60_000, DAY0_MS + 3_600_000)
    assert {one.rule for one in lived_openings} == {rule.id for rule in ruleset.rules}
    alone = rng.sample([(rule,) for rule in ruleset.rules if rule.feed != "alert"], 3)
    for rules in (ruleset.rules, *alone):
        some = replace(ruleset, rules=tuple(rules))
        ids = frozenset(rule.id for rule in rules)
        source = Small(store, rng.choice([90, 100_000]), busy=rng.choice([300, 1 << 60]))
        run = StoredRun(source, "", some, ids, span)
        played = run.play(some, ids)
        expected = [one for one in lived_openings if one.rule in ids]
        assert [(one.alert, one.peak, one.closed_ms) for one in played] == [
            (one.alert, one.peak, one.closed_ms) for one in expected
        ], (seed, sorted(ids))
        assert {(one.alert, one.peak, one.closed_ms) for one in run.did} == {
            (one.alert, one.peak, one.closed_ms) for one in expected
        }
        told = run.in_force()
        assert all([one.version for one in told[rule.id]] == [rule.version] for rule in rules)


def test_a_part_of_it_needs_its_warm_up_only(tmp_path: Path, store: Store) -> None:
    """From the middle on, events from before the warm-up are not read, and the openings are those of the whole."""
    text = RULES.replace("clear: value < 4", "clear_after: 5s").replace(
        "{session: 700ms}", "{session: 700ms, max: 20s}"
    )
    ruleset = load_rules({"a.yaml": text, "feeds.yaml": FEEDS})
    with SqliteLog(tmp_path / "e.sqlite") as log:
        lived_openings = lived(log, store, ruleset, 4, minutes=5).openings()
    from_ms, to_ms = DAY0_MS + 3 * 60_000, DAY0_MS + 4 * 60_000
    whole = store.history.outline(["probe", "visit"], DAY0_MS, to_ms)
    ids = frozenset(rule.id for rule in ruleset.rules)
    run = StoredRun(store.history, "", ruleset, ids, Span(from_ms, to_ms))
    assert run.stretch.warm_ms == from_ms - warm_up_ms(ruleset.rules, ruleset.catalog) > DAY0_MS
    played = [one for one in run.play(ruleset, ids) if one.opened_ms >= from_ms]
    assert [one.alert for one in played] == [one.alert for one in lived_openings if from_ms <= one.opened_ms < to_ms]
    assert 0 < run.read < whole.last - whole.first


def test_rows_without_a_clock_are_had_by_their_receipts(store: Store) -> None:
    """Rows of an older version: after a silence the clock has gone on to a second before the receipt."""
    lines = [
        json.dumps({"id": f"e{i}", "feed": "probe", "source": "t", "time": DAY0_MS + at_ms, "subject": "s", "value": 1})
        for i, at_ms in enumerate((0, 1_000, 60_000))
    ]
    for i, (line, receipt) in enumerate(zip(lines, (500, 1_200, 60_100), strict=True), 1):
        new = events_entry(line.encode(), count=1, at_ms=DAY0_MS + receipt)
        store.insert_events([Entry(i, 1, "events", new.at_ms, new.payload)])
    with store._connections.writer() as client:
        client.command("ALTER TABLE events UPDATE clock_ms = 0 WHERE 1")
    catalog = load_rules({"feeds.yaml": FEEDS}).catalog
    (batch,) = Playback(store.history, ["probe"], Decoder(catalog)).records(0, 3)
    assert isinstance(batch, EventBatch)
    assert batch.frame["feed"].to_list() == ["probe", "probe", None, "probe"]
    assert [time - DAY0_MS for time in batch.frame["time"]] == [0, 1_000, 59_100, 60_000]
    assert batch.pos.to_list() == [1, 2, 2, 3]
