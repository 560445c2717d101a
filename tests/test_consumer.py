"""Sink threads on real logs: order, outages, offsets."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.consumer import SinkThread
from streams.log.entry import Entry, tick_entry
from streams.log.sqlite import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "log.sqlite") as log:
        yield log


def append(log: SqliteLog, count: int) -> None:
    log.append([tick_entry(log.newest + n) for n in range(count)])


class Sink:
    """Remembers what it was given; ``fails``: how often it is down first."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.calls = 0
        self.got: list[int] = []

    def __call__(self, entries: list[Entry]) -> None:
        self.calls += 1
        if self.calls <= self.fails:
            raise ConnectionError("the sink is down")
        self.got += [entry.pos for entry in entries]


def clock() -> int:
    return next(_ticks)


_ticks = itertools.count(1000)


def test_a_sink_gets_everything_once_and_in_order(log: SqliteLog) -> None:
    """What stood there before, and what comes later; the offset is in the log."""
    append(log, 5)
    sink = Sink()
    thread = SinkThread("store", log, sink, clock=clock, max_events=2)
    thread.start()
    assert thread.wait_for(5, 5)
    append(log, 3)
    assert thread.wait_for(8, 5)
    assert thread.stop()
    assert sink.got == list(range(1, 9))
    assert log.committed("store") == 8
    state = thread.state
    assert (state.lag, state.error, state.handled, state.running) == (0, "", 8, False)
    assert state.last_success_ms >= 1000


def test_the_next_start_goes_on_from_the_offset(log: SqliteLog) -> None:
    """Nothing that was handled and committed comes again."""
    append(log, 3)
    for wanted in ([1, 2, 3], [4]):
        sink = Sink()
        thread = SinkThread("store", log, sink, clock=clock)
        thread.start()
        assert thread.wait_for(log.newest, 5)
        thread.stop()
        assert sink.got == wanted
        append(log, 1)


def test_a_sink_that_is_down_gets_the_same_again_and_the_heartbeat_says_so(log: SqliteLog) -> None:
    """Nothing is skipped; the error and since when it stands are told, and gone when it is over."""
    append(log, 3)
    sink = Sink(fails=2)
    thread = SinkThread("store", log, sink, clock=clock)
    thread.start()
    while not thread.state.error:
        time.sleep(0.01)
    state = thread.state
    assert state.error == "ConnectionError: the sink is down"
    assert (state.lag, log.committed("store")) == (3, 0)
    assert state.failing_since_ms >= 1000
    assert thread.wait_for(3, 10)
    thread.stop()
    assert sink.got == [1, 2, 3]
    assert (thread.state.error, thread.state.failing_since_ms, thread.state.failures) == ("", 0, 2)


def test_a_log_keeps_what_a_slow_sink_still_needs(log: SqliteLog) -> None:
    """A sink is known to the log from its making on, not from its first success."""
    append(log, 3)
    SinkThread("store", log, Sink(), clock=clock)
    assert log.consumers() == {"store": 0}


def test_a_rebuilt_sink_starts_where_it_is_told_and_holds_nothing(log: SqliteLog) -> None:
    """The live state is filled at each start, so its offset is no one's business."""
    append(log, 5)
    sink = Sink()
    thread = SinkThread("live", log, sink, clock=clock, start_at=2)
    thread.start()
    assert thread.wait_for(5, 5)
    thread.stop()
    assert sink.got == [3, 4, 5]
    assert log.consumers() == {}


def test_a_stopped_thread_ends_at_once_while_its_sink_is_down(log: SqliteLog) -> None:
    """A shutdown does not wait for the next attempt."""
    append(log, 1)
    thread = SinkThread("store", log, Sink(fails=1000), clock=clock)
    thread.start()
    while not thread.state.error:
        time.sleep(0.01)
    assert thread.stop(2)
    assert not thread.wait_for(1, 0.01)
