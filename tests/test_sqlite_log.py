"""The log: durable, ordered, bounded, never renumbered, and clear about what is wrong with its file."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import threading
from pathlib import Path

import pytest

from events.event import Rejected
from events.record import Act
from streams.log import entry as entries
from streams.log.entry import Entry, NewEntry
from streams.log.errors import DiskFull, ForeignFile, InUse, LogBroken, LogClosed, LogFull, LogMismatch, NewerVersion
from streams.log.sqlite import SqliteLog


def events(count: int, *, at_ms: int = 0, size: int = 10) -> NewEntry:
    return NewEntry("events", count, at_ms, os.urandom(size))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "events.sqlite"


def positions(log: SqliteLog, after: int = 0) -> list[int]:
    return [entry.pos for entry in log.read(after, 10**9, 1 << 40)]


def test_positions_rise_by_the_count_of_each_entry(path):
    """An entry of three events takes three positions, a tick one."""
    with SqliteLog(path) as log:
        assert log.newest == 0
        assert log.oldest == 1
        assert log.append([events(3), entries.tick_entry(7)]) == 4
        assert log.append([events(2)]) == 6
        read = log.read(0)
        assert [(e.first, e.pos, e.kind) for e in read] == [(1, 3, "events"), (4, 4, "tick"), (5, 6, "events")]
        assert read[1] == Entry(4, 1, "tick", 7, b"")
        assert entries.tick(read[1]).at_ms == 7


def test_everything_is_there_after_a_reopening(path):
    """Entries, consumers, marks and the identity outlive the process."""
    with SqliteLog(path) as log:
        log.append([events(5)], marks={"produced": 41})
        log.register("store")
        log.commit("store", 5)
        identity, before = log.identity, log.read(0)
    with SqliteLog(path) as log:
        assert (log.newest, log.oldest, log.identity) == (5, 1, identity)
        assert log.read(0) == before
        assert log.mark("produced") == 41
        assert log.mark("other") is None
        assert log.committed("store") == 5
        assert log.append([events(1)]) == 6


def test_read_keeps_to_its_bounds_but_always_moves_on(path):
    """At least one entry comes, then no more than the bounds allow; a position inside an entry gives all of it."""
    with SqliteLog(path) as log:
        log.append([events(10, size=1000) for _ in range(10)])
        assert [e.pos for e in log.read(0, max_events=25)] == [10, 20]
        assert [e.pos for e in log.read(0, max_events=1)] == [10]
        assert [e.pos for e in log.read(0, max_bytes=3000)] == [10, 20, 30]
        assert [e.pos for e in log.read(0, max_bytes=1)] == [10]
        assert [e.pos for e in log.read(95)] == [100]
        assert log.read(100) == []


def test_a_short_read_does_not_hold_a_reader_in_the_past(path):
    """A connection whose last query stopped early sees what was appended since."""
    with SqliteLog(path) as log:
        log.append([events(1) for _ in range(10)])
        for _ in range(20):
            log.read(0, max_events=1)
            newest = log.append([events(1)])
            assert log.read(newest - 1)[0].pos == newest


def test_callers_at_once_get_positions_of_their_own(path):
    """Group commit mixes callers, yet each finds its own entries where it was told."""
    answers: dict[int, bytes] = {}

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(50):
            new = [NewEntry("events", rng.randint(1, 5), 0, rng.randbytes(20)) for _ in range(rng.randint(1, 3))]
            answers[log.append(new)] = new[-1].payload

    with SqliteLog(path) as log:
        threads = [threading.Thread(target=write, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        read = log.read(0, 10**9, 1 << 40)
    assert len(answers) == 400
    stored = {e.pos: e.payload for e in read}
    assert all(stored[pos] == payload for pos, payload in answers.items())
    assert [e.first for e in read] == [1, *[e.pos + 1 for e in read[:-1]]]


def test_a_barrier_waits_for_all_before_it(path):
    """An append of nothing is done when everything queued before it is on the disk, in the order of the calls."""
    order: list[int] = []
    with SqliteLog(path) as log:
        futures = []
        for at in range(50):
            futures.append(log.submit([events(1)]))
            futures[-1].add_done_callback(lambda _, at=at: order.append(at))
        assert log.submit([]).result() == 50
        assert all(future.done() for future in futures)
    assert order == list(range(50))


def test_wait_wakes_on_an_append_and_on_the_end(path):
    """A reader sleeps until there is something for it."""
    log = SqliteLog(path)
    assert not log.wait(0, 0.01)
    seen: list[bool] = []
    reader = threading.Thread(target=lambda: seen.append(log.wait(0, 30)))
    reader.start()
    log.append([events(1)])
    reader.join(10)
    assert seen == [True]
    reader = threading.Thread(target=lambda: seen.append(log.wait(1, 30)))
    reader.start()
    log.close()
    reader.join(10)
    assert seen == [True, False]


def test_listeners_hear_of_each_commit(path):
    """A listener gets the newest position after a commit, until it stops listening."""
    heard: list[int] = []
    with SqliteLog(path) as log:
        stop = log.listen(heard.append)
        log.append([events(4)])
        log.submit([]).result()
        stop()
        log.append([events(1)])
    assert heard[0] == 4
    assert 5 not in heard


def test_nothing_is_trimmed_past_the_slowest_consumer(path):
    """A full log refuses, keeps every entry that a consumer still needs, and takes more once that consumer moved on."""
    with SqliteLog(path, max_bytes=400_000) as log:
        log.register("fast")
        log.register("slow")
        fill = (log.append([events(1, size=10_000)]) for _ in range(100))
        with pytest.raises(LogFull) as full:
            list(fill)
        assert full.value.retryable
        assert full.value.retry_after_s
        newest = log.newest
        assert "'slow'" in str(full.value) or "'fast'" in str(full.value)
        log.commit("fast", newest)
        with pytest.raises(LogFull):
            log.append([events(1, size=10_000)])
        with pytest.raises(LogFull):
            log.check_room(10_000)
        assert positions(log) == list(range(1, newest + 1))
        log.commit("slow", 7)
        assert log.append([events(1, size=10_000)]) == newest + 1
        assert 1 < log.oldest <= 8
        assert positions(log)[0] == log.oldest
        assert log.used_bytes <= 400_000


def test_a_full_log_still_takes_ticks_and_acts(path):
    """Time and people go on while events wait; but not without bound."""
    with SqliteLog(path, max_bytes=1_000_000) as log:
        log.register("slow")
        fill = (log.append([events(1, size=10_000)]) for _ in range(1000))
        with pytest.raises(LogFull):
            list(fill)
        assert log.refusals == 1
        for at_ms in range(50):
            log.append([entries.tick_entry(at_ms)])
        with pytest.raises(LogFull):
            log.append([events(1, size=10_000)])
        more = (log.append([entries.rules_entry(random.Random(i).randbytes(5_000), at_ms=0)]) for i in range(100))
        with pytest.raises(LogFull):
            list(more)


def test_one_that_does_not_fit_costs_the_others_nothing(path):
    """In one group commit a too large append fails alone, and whole."""
    with SqliteLog(path, max_bytes=200_000) as log:
        log.register("slow")
        futures = [log.submit([events(1)]), log.submit([events(1), events(1, size=400_000)]), log.submit([events(1)])]
        assert futures[0].result() == 1
        with pytest.raises(LogFull):
            futures[1].result()
        assert futures[2].result() == 2


def test_a_bounded_log_runs_for_ever(path):
    """With a consumer that keeps up, the log stays within its bound and numbers on."""
    with SqliteLog(path, max_bytes=300_000) as log:
        log.register("store")
        for at in range(1, 201):
            assert log.append([events(1, size=5_000)]) == at
            log.commit("store", at)
        assert log.used_bytes <= 300_000
        assert log.oldest > 100
        assert path.stat().st_size < 600_000


def test_old_entries_go_by_age(path):
    """Age is measured against the newest entry, never by the wall clock; consumers still hold what they need."""
    day = 86_400_000
    with SqliteLog(path, max_age_ms=2 * day) as log:
        log.register("store")
        for at in range(10):
            log.append([events(1, at_ms=at * day)])
        assert log.oldest == 1
        log.commit("store", 5)
        log.trim()
        assert log.oldest == 6
        log.commit("store", 10)
        log.trim()
        assert log.oldest == 8


def test_positions_are_not_given_again_after_everything_was_trimmed(path):
    """Even an empty log remembers how far it counted."""
    with SqliteLog(path, max_age_ms=1) as log:
        log.append([events(9, at_ms=0)])
        log.append([events(1, at_ms=10**9)])
    raw = sqlite3.connect(path)
    raw.execute("DELETE FROM entries")
    raw.commit()
    raw.close()
    with SqliteLog(path) as log:
        assert (log.newest, log.oldest) == (10, 11)
        assert log.append([events(1)]) == 11


def test_a_position_is_found_by_its_receipt(path):
    """Everything received from an instant on lies after the position found for it."""
    with SqliteLog(path, max_age_ms=1) as log:
        assert log.position_at(5) == 0
        log.register("all")
        for at_ms in (10, 10, 20, 30, 30, 30, 50):
            log.append([events(7, at_ms=at_ms)])
        expected = {0: 0, 10: 0, 11: 14, 20: 14, 21: 21, 30: 21, 31: 42, 50: 42, 51: 49}
        assert {at_ms: log.position_at(at_ms) for at_ms in expected} == expected
        log.commit("all", 21)
        log.trim()
        assert log.position_at(0) == 21
        assert log.position_at(31) == 42


def test_consumers_move_forward_unless_rewound(path):
    """A commit never takes a consumer back; a rewind does; an unregistered one holds nothing."""
    with SqliteLog(path) as log:
        log.append([events(10)])
        assert log.register("store") == 0
        assert log.register("late", at=4) == 4
        log.commit("store", 8)
        log.commit("store", 3)
        assert log.committed("store") == 8
        log.rewind("store", 2)
        assert log.register("store") == 2
        log.unregister("late")
        assert log.consumers() == {"store": 2}
        with pytest.raises(AssertionError):
            log.commit("late", 3)


def test_two_processes_cannot_hold_one_log(path):
    """The second gets a named error, also within one process; a reader may look on; after the first has gone all is well."""
    with SqliteLog(path) as log:
        log.append([events(2)])
        with pytest.raises(InUse, match="in use"):
            SqliteLog(path)
        with SqliteLog(path, read_only=True) as reader:
            assert reader.newest == 2
            log.append([events(1)])
            assert reader.wait(2, 5)
            assert positions(reader) == [2, 3]
            log.register("store")
            assert reader.consumers() == {"store": 0}
    SqliteLog(path).close()


def test_the_lock_dies_with_its_holder(path):
    """A process that was killed leaves no lock behind."""
    context = multiprocessing.get_context("spawn")
    holder = context.Process(target=_hold, args=(path,))
    holder.start()
    assert holder.pid
    while not path.with_suffix(".ready").exists():
        holder.join(0.02)
        assert holder.is_alive()
    with pytest.raises(InUse, match=str(holder.pid)):
        SqliteLog(path)
    holder.kill()
    holder.join()
    with SqliteLog(path) as log:
        assert log.newest == 1


def _hold(path: Path) -> None:
    log = SqliteLog(path)
    log.append([events(1)])
    path.with_suffix(".ready").touch()
    threading.Event().wait()


def test_a_newer_file_is_refused_and_left_alone(path):
    """A file of a later format names the versions."""
    SqliteLog(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(NewerVersion, match="99"):
        SqliteLog(path)
    with pytest.raises(NewerVersion):
        SqliteLog(path, read_only=True)


def test_other_peoples_files_are_refused(path, tmp_path):
    """Another program's database and plain rubbish are named as such."""
    path.parent.mkdir()
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    with pytest.raises(ForeignFile):
        SqliteLog(path)
    rubbish = tmp_path / "rubbish.sqlite"
    rubbish.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(ForeignFile):
        SqliteLog(rubbish)
    with pytest.raises(LogBroken):
        SqliteLog(tmp_path / "missing.sqlite", read_only=True)


def test_a_full_disk_has_a_name_and_costs_nothing(path):
    """SQLite's own limit stands for the disk: the append fails whole, and succeeds when there is room again."""
    with SqliteLog(path) as log:
        log.append([events(1)])
        assert log._writer
        log._writer.execute("PRAGMA max_page_count = 30")
        with pytest.raises(DiskFull) as full:
            log.append([events(1, size=1000), events(1, size=1_000_000)], marks={"produced": 3})
        assert full.value.retryable
        assert log.newest == 1
        assert log.mark("produced") is None
        assert positions(log) == [1]
        log._writer.execute("PRAGMA max_page_count = 1000000")
        assert log.append([events(1, size=1_000_000)]) == 2


def test_a_stranger_who_writes_stops_the_log(path):
    """Positions that moved under our feet are never built upon."""
    with SqliteLog(path) as log:
        log.append([events(1)])
        raw = sqlite3.connect(path)
        raw.execute("UPDATE meta SET value = 50 WHERE name = 'newest'")
        raw.commit()
        raw.close()
        with pytest.raises(LogBroken, match="another process"):
            log.append([events(1)])
        with pytest.raises(LogBroken):
            log.append([events(1)])
        assert isinstance(log.broken, LogBroken)


def test_a_closed_log_says_so(path):
    """Neither reads nor appends reach a closed log; closing twice is fine."""
    log = SqliteLog(path)
    log.close()
    log.close()
    with pytest.raises(LogClosed):
        log.append([events(1)])
    with pytest.raises(LogClosed):
        log.read(0)


def test_a_log_knows_which_log_it_was_made_from(path, tmp_path):
    """A transition log beside another event log is refused."""
    with SqliteLog(path) as source, SqliteLog(tmp_path / "other.sqlite") as other:
        with SqliteLog(tmp_path / "made.sqlite") as made:
            made.follow(source)
            made.follow(source)
        with SqliteLog(tmp_path / "made.sqlite") as made:
            made.follow(source)
            with pytest.raises(LogMismatch):
                made.follow(other)


def test_entries_carry_their_records():
    """What is put in an entry comes out of it, byte for byte."""
    lines = b'{"id":"1"}\n{"id":"2"}'
    new = entries.events_entry(lines, count=2, at_ms=5)
    assert entries.event_lines(_read(new, 2)) == lines + b"\n"
    act = Act(9, 5, "x1", "a" * 16, "assign", "王", note="去看看", to="李")
    assert entries.act(_read(entries.act_entry(act), 9)) == act
    bundle = {"files": {"a.yaml": "rules: []"}, "feeds": None, "zone": "Asia/Shanghai"}
    assert entries.activation(_read(entries.rules_entry(bundle, at_ms=3), 4)).bundle == bundle
    refused = [Rejected(3, "bad_utf8", "at byte 2", b"\xff\xfe\n", "sensor", "x"), Rejected(9, "bad_json", "", b"{")]
    new = entries.dead_entry(refused, at_ms=8)
    assert new is not None
    letters = entries.dead_letters(_read(new, 7))
    assert [(d.pos, d.reason, d.raw) for d in letters] == [(6, "bad_utf8", b"\xff\xfe\n"), (7, "bad_json", b"{")]
    assert entries.dead_entry([], at_ms=8) is None


def _read(new: NewEntry, pos: int) -> Entry:
    return Entry(pos, new.count, new.kind, new.at_ms, new.payload)
