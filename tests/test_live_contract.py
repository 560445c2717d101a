"""One contract for every live state: the same transitions give the same lists and counters, wherever they are kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from events.transition import RANK, Transition
from sinks.filters import UNRESOLVED, Filter, facets
from sinks.live.memory import Live
from sinks.live.mirror import Mirror
from sinks.live.protocol import LiveState
from sinks.live.redis import RedisLive
from sinks.live.writer import LiveWriter
from streams.log.entry import transition_entry
from streams.log.sqlite import SqliteLog
from tests.redis_server import PROGRAM, RedisServer, needs_redis, redis_server
from tests.test_live import START_MS, alert

MAX_UNRESOLVED, MAX_RESOLVED = 30, 10
SEEDS = range(4)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"shadow": True},
    {"state": UNRESOLVED},
    {"state": frozenset({"resolved", "acked"})},
    {"severity": frozenset({"red", "blue"})},
    {"domain": "market"},
    {"rule": "r1"},
    {"feed": "sensor"},
    {"subject": "S7"},
    {"region": "53"},
    {"region": "5304", "state": UNRESOLVED},
    {"from_ms": START_MS + 20, "to_ms": START_MS + 50},
)
_prefixes = count()


class Kept(Protocol):
    """A live state and its log. ``tell`` appends; writer ``number`` (of three) brings the live state up to the log's end."""

    def tell(self, transitions: list[Transition], number: int) -> None: ...
    def views(self) -> list[LiveState]:
        """All the ways to look at it that there are."""


class InMemory:
    def __init__(self) -> None:
        self.live = Live(max_unresolved=MAX_UNRESOLVED, max_resolved=MAX_RESOLVED)
        self.told: list[Transition] = []
        self.reached = [0, 0, 0]

    def tell(self, transitions: list[Transition], number: int) -> None:
        self.told += transitions
        self.live.apply(self.told[self.reached[number] :])
        self.reached[number] = len(self.told)

    def views(self) -> list[LiveState]:
        return [self.live]


class InRedis:
    """Three writers that each stand elsewhere, a board that looks each time, and one that has just started."""

    def __init__(self, server: RedisServer, log: SqliteLog) -> None:
        self.log = log
        self.shared = [
            RedisLive(
                server.address(f"t{number}"), log.identity, max_unresolved=MAX_UNRESOLVED, max_resolved=MAX_RESOLVED
            )
            for number in [next(_prefixes)] * 4
        ]
        self.writers = [LiveWriter(shared, log) for shared in self.shared[:3]]
        self.writers[0].check()
        self.reached = [0, 0, 0]
        self.board = Mirror(self.shared[3], log, clock=lambda: 0)

    def tell(self, transitions: list[Transition], number: int) -> None:
        self.log.append([transition_entry(one, at_ms=0) for one in transitions])
        self.writers[number].handle(self.log.read(self.reached[number]))
        self.reached[number] = self.log.newest

    def views(self) -> list[LiveState]:
        self.board.turn()
        started = Mirror(self.shared[3], self.log, clock=lambda: 0)
        started.begin()
        assert self.board.state.source == started.state.source == "redis"
        return [self.board, started]

    def close(self) -> None:
        for shared in self.shared:
            shared.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    if PROGRAM is None:
        yield None
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
def kept(request: pytest.FixtureRequest, server: RedisServer | None, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "memory":
        yield InMemory()
        return
    assert server is not None
    with SqliteLog(tmp_path / "transitions.sqlite") as log:
        made = InRedis(server, log)
        yield made
        made.close()


class Reference:
    """The contract in its plainest words: a list that is sorted and counted anew each time."""

    def __init__(self) -> None:
        self.alerts: dict[str, Transition] = {}
        self.seen: Counter[str] = Counter()
        self.let_go = 0

    def take(self, one: Transition) -> None:
        if one.n <= self.seen[one.alert]:
            return
        self.seen[one.alert] = one.n
        self.alerts[one.alert] = one
        unresolved = [a for a in self.listed() if a.state in UNRESOLVED]
        if len(unresolved) > MAX_UNRESOLVED:
            del self.alerts[unresolved[-1].alert]
            self.let_go += 1
        resolved = sorted((a for a in self.alerts.values() if a.state not in UNRESOLVED), key=lambda a: a.seq)
        if len(resolved) > MAX_RESOLVED:
            del self.alerts[resolved[0].alert]

    def listed(self, wanted: Filter | None = None) -> list[Transition]:
        found = [one for one in self.alerts.values() if (wanted or Filter(shadow=True)).admits(facets(one))]
        return sorted(found, key=lambda one: (-RANK[one.severity], -facets(one).opened_ms, one.alert))


def stream(seed: int, length: int) -> Iterator[Transition]:
    """Alerts that open, change colour and state, are resolved and come back; one transition in ten is told again later."""
    draw = random.Random(seed)
    ns: Counter[int] = Counter()
    told: list[Transition] = []
    for seq in range(1, length + 1):
        if told and draw.random() < 0.1:
            one = draw.choice(told)
        else:
            number = draw.randrange(70)
            ns[number] += 1
            one = alert(
                number,
                ns[number],
                draw.choice(["red", "orange", "yellow", "blue"]),
                draw.choice(["open", "open", "acked", "assigned", "resolved"]),
                condition=draw.choice(["active", "cleared"]),
                shadow=number % 9 == 0,
                region=None if number % 7 == 0 else f"53{number % 16:02d}02",
            )
            told.append(one)
        yield msgspec.structs.replace(one, seq=seq)


def pages(live: LiveState, wanted: dict[str, Any], limit: int) -> list[Transition]:
    found: list[Transition] = []
    cursor = None
    while True:
        page = live.alerts(Filter(**wanted, limit=limit, cursor=cursor))
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def compare(live: LiveState, wanted: Reference, seq: int) -> None:
    """Everything that one can ask."""
    assert (live.newest_seq, live.let_go, len(live)) == (seq, wanted.let_go, len(wanted.alerts))
    assert list(live) == wanted.listed()
    for changes in FILTERS:
        expected = wanted.listed(Filter(**changes))
        assert pages(live, changes, 7) == expected, changes
        counts = live.counts(Filter(**changes))
        assert counts.total == len(expected)
        for name in ("severity", "state", "condition", "domain"):
            assert getattr(counts, name) == Counter(getattr(one, name) for one in expected), name
        regions = Counter(((one.region or "")[:4], one.severity) for one in expected)
        assert Counter({(r, s): n for r, by in counts.region.items() for s, n in by.items()}) == regions
    by_rule = Counter((one.rule, one.condition) for one in wanted.alerts.values() if one.state in UNRESOLVED)
    assert live.by_rule() == {
        rule: {"unresolved": by_rule[rule, "active"] + by_rule[rule, "cleared"], "active": by_rule[rule, "active"]}
        for rule in {rule for rule, _ in by_rule}
    }
    for name in wanted.seen:
        assert live.get(name) == wanted.alerts.get(name)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_writers_and_repeats_give_the_same_state(kept: Kept, seed: int) -> None:
    """Three writers, each somewhere else in the log, that repeat what the others wrote: as if one had read it once."""
    draw, reference = random.Random(seed), Reference()
    told = list(stream(seed, 500))
    at = 0
    while at < len(told):
        stretch = told[at : at + draw.choice([1, 3, 17, 120])]
        at += len(stretch)
        kept.tell(stretch, draw.randrange(3))
        for one in stretch:
            reference.take(one)
        if draw.random() < 0.3 or at == len(told):
            for view in kept.views():
                compare(view, reference, at)
    assert reference.let_go


def test_a_stretch_larger_than_any_step_is_taken(kept: Kept) -> None:
    """Thousands at once come out as one by one."""
    reference = Reference()
    told = list(stream(99, 1_200))
    kept.tell(told, 0)
    for one in told:
        reference.take(one)
    for view in kept.views():
        compare(view, reference, len(told))


def test_a_cursor_goes_on_though_its_alert_has_moved(kept: Kept) -> None:
    """The cursor names a place, not a row, and means the same in every copy."""
    kept.tell([alert(n, severity="yellow", seq=n + 1) for n in range(6)], 0)
    cursors = {view.alerts(Filter(limit=3)).next for view in kept.views()}
    assert len(cursors) == 1
    kept.tell([alert(3, 2, severity="red", seq=7)], 1)
    for view in kept.views():
        rest = view.alerts(Filter(limit=3, cursor=cursors.copy().pop()))
        assert [one.subject for one in rest.items] == ["S2", "S1", "S0"]


def test_what_was_let_go_stays_away_until_something_new_comes(kept: Kept) -> None:
    """A repeat of its old transitions does not bring it back, a person's act does."""
    made = [alert(n, severity="blue" if n == 0 else "red", seq=n + 1) for n in range(MAX_UNRESOLVED + 1)]
    kept.tell(made, 0)
    kept.tell([alert(5, 2, state="resolved", seq=32), msgspec.structs.replace(made[0], seq=33)], 1)
    for view in kept.views():
        assert view.get(made[0].alert) is None
        assert view.let_go == 1
    kept.tell([alert(0, 2, "blue", "acked", seq=34)], 2)
    for view in kept.views():
        found = view.get(made[0].alert)
        assert found is not None
        assert found.state == "acked"
