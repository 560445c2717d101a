"""The door: what is accepted is on the disk, what is refused keeps its bytes, and nothing is accepted twice."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.event import MAX_BODY_BYTES
from events.feeds import FeedCatalog
from rules.load import load_rules
from streams.gateway.gateway import BodyTooLarge, Gateway
from streams.gateway.pieces import pieces
from streams.gateway.receipt import Receipt
from streams.gateway.sqlite_door import SqliteDoor
from streams.log import entry as entries
from streams.log.errors import DiskFull, LogClosed, LogFull
from streams.log.sqlite import SqliteLog
from streams.metrics import Metrics

NOW_MS = 1_780_000_000_000


class House:
    """A gateway over real logs in a directory; may be left and entered again."""

    def __init__(self, directory: Path, **bounds: int) -> None:
        self.directory = directory
        self.now_ms = NOW_MS
        self._bounds = bounds
        self.open()

    def open(self) -> None:
        self.log = SqliteLog(self.directory / "log" / "events.sqlite", **self._bounds)
        self.dead = SqliteLog(self.directory / "log" / "dead.sqlite")
        self.metrics = Metrics()
        self.door = Gateway(
            FeedCatalog.builtin(),
            SqliteDoor(self.log, self.dead, self.directory / "state"),
            clock=lambda: self.now_ms,
            metrics=self.metrics,
        )

    def close(self) -> None:
        self.door.close()
        self.log.close()
        self.dead.close()

    def again(self) -> None:
        self.close()
        self.open()

    def accept(self, *lines: bytes) -> Receipt:
        return self.door.accept(b"\n".join(lines))

    def stored(self) -> list[dict]:
        """Every event of the log, in order; entries must hold as many lines as they say."""
        events = []
        for entry in self.log.read(0, 10**9, 1 << 40):
            if entry.kind == "events":
                lines = entries.event_lines(entry).splitlines()
                assert len(lines) == entry.count
                events += [json.loads(line) for line in lines]
        return events

    def ids(self) -> list[str]:
        return [event["id"] for event in self.stored()]

    def letters(self) -> list[entries.DeadLetter]:
        return [d for entry in self.dead.read(0, 10**9, 1 << 40) for d in entries.dead_letters(entry)]

    def fate(self, fate: str, feed: str = "sensor", source: str = "s") -> float:
        labels = {"fate": fate, "feed": feed, "source": source}
        return self.metrics.registry.get_sample_value("fengsui_events_total", labels) or 0.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def event(id: object, *, source: str = "s", feed: str = "sensor", time: object = NOW_MS, **fields: object) -> bytes:
    return json.dumps({"id": str(id), "feed": feed, "source": source, "time": time, **fields}).encode()


def counts(receipt: Receipt) -> tuple[int, int, int]:
    return receipt.accepted, receipt.duplicate, receipt.rejected_count


def test_accepted_events_are_in_the_log_as_they_came(house):
    """The log holds the very bytes of each accepted line, undeclared fields too, with the receipt's time."""
    lines = [event(1, value=3.5, odd={"a": [1]}), event(2, subject="甲站")]
    assert counts(house.accept(*lines)) == (2, 0, 0)
    (entry,) = house.log.read(0)
    assert entries.event_lines(entry) == b"\n".join(lines) + b"\n"
    assert entry.at_ms == NOW_MS
    assert house.fate("accepted") == 2
    pulse = house.door.pulse()["sensor"]
    assert (pulse.accepted, pulse.newest_time_ms, pulse.newest_receipt_ms) == (2, NOW_MS, NOW_MS)


def test_repeats_are_duplicates_in_a_body_and_between_bodies(house):
    """The same (source, id) is one event; the same id from another source is another."""
    assert counts(house.accept(event(1), event(1, value=2), event(2))) == (2, 1, 0)
    assert counts(house.accept(event(2), event(3))) == (1, 1, 0)
    assert counts(house.accept(event(1, source="t"))) == (1, 0, 0)
    assert counts(house.accept(event(1))) == (0, 1, 0)
    assert house.ids() == ["1", "2", "3", "1"]
    assert house.fate("duplicate") == 3


def test_repeats_are_known_after_a_restart(house):
    """By the snapshot of an orderly end, by the log after none, and when the snapshot is damaged."""
    house.accept(*(event(i) for i in range(100)))
    house.again()
    assert counts(house.accept(event(5), event(100))) == (1, 1, 0)
    state = house.directory / "state"
    assert list(state.glob("dedupe-*.snapshot"))
    house.close()
    for path in state.iterdir():
        path.unlink()
    house.open()
    assert counts(house.accept(event(5), event(100), event(101))) == (1, 2, 0)
    house.close()
    for path in state.glob("*.snapshot"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    house.open()
    assert counts(house.accept(event(5), event(101), event(102))) == (1, 2, 0)


def test_an_old_snapshot_and_the_log_after_it_make_the_whole(house):
    """Ids accepted after the snapshot come from the log."""
    house.accept(*(event(i) for i in range(50)))
    house.again()
    kept = {path: path.read_bytes() for path in (house.directory / "state").glob("*.snapshot")}
    house.accept(*(event(i) for i in range(50, 90)))
    house.close()
    for path in (house.directory / "state").glob("*.snapshot"):
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
    house.open()
    assert counts(house.accept(*(event(i) for i in range(100)))) == (10, 90, 0)


def test_one_bad_line_costs_only_itself(house):
    """Good lines around bad ones are accepted; each bad one is named by its line and lies, whole, in the dead letters."""
    bad = [b"{", b'{"id":"x"}', event("y", feed="nonsense"), b"\xff\xfe"]
    receipt = house.accept(event(1), bad[0], b"", event(2), bad[1], bad[2], event(3), bad[3])
    assert counts(receipt) == (3, 0, 4)
    found = [(r.line, r.reason) for r in receipt.rejected]
    assert found == [(2, "bad_json"), (5, "missing_field"), (6, "unknown_feed"), (8, "bad_utf8")]
    assert house.ids() == ["1", "2", "3"]
    letters = house.letters()
    assert [letter.raw.rstrip(b"\n") for letter in letters] == bad
    assert [letter.reason for letter in letters] == [r.reason for r in receipt.rejected]
    registry = house.metrics.registry
    labels = {"feed": "unknown", "source": "s", "reason": "unknown_feed"}
    assert registry.get_sample_value("fengsui_rejected_events_total", labels) == 1


def test_a_large_body_goes_through_in_pieces(house):
    """120,000 lines: every piece knows where it stood, whatever was cut where."""
    lines = [event(i) for i in range(120_000)]
    lines[0] = lines[60_001] = lines[119_999] = b"nonsense"
    receipt = house.accept(*lines)
    assert counts(receipt) == (119_997, 0, 3)
    assert [r.line for r in receipt.rejected] == [1, 60_002, 120_000]
    assert house.log.newest == 119_997
    assert len(house.log.read(0, 10**9)) > 2
    assert counts(house.accept(*lines)) == (0, 119_997, 3)


def test_pieces_lose_nothing():
    """However a body is cut, the pieces are its lines, in order and counted right."""
    rng = random.Random(7)
    for _ in range(300):
        body = b"".join(
            rng.choice([b"\n", b"ab", b"c\n", b"defg" * rng.randint(0, 9)]) for _ in range(rng.randint(0, 30))
        )
        cut = list(pieces(body, max_bytes=rng.randint(1, 40), max_lines=rng.randint(1, 5)))
        whole = body if body.endswith(b"\n") or not body else body + b"\n"
        assert b"".join(piece.data for piece in cut) == whole
        before = 0
        for piece in cut:
            assert piece.before == before
            assert piece.lines == piece.data.count(b"\n") >= 1
            before += piece.lines


def test_many_clients_with_the_same_events_get_each_accepted_once(house):
    """Sixteen threads post overlapping bodies: in all, every id is accepted exactly once, and stored once."""
    accepted: Counter[str] = Counter()
    totals: list[tuple[int, int]] = []
    lock = threading.Lock()

    def post(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(25):
            ids = rng.sample(range(400), rng.randint(1, 12))
            receipt = house.accept(*(event(i) for i in ids))
            assert receipt.accepted + receipt.duplicate == len(ids)
            stored = set(house.ids()) if rng.random() < 0.05 else None
            with lock:
                totals.append((receipt.accepted, len(ids)))
                accepted.update(map(str, ids))
            if stored is not None:  # whatever it was called, it is on the disk
                assert stored >= set(map(str, ids))

    run(post, 16)
    ids = house.ids()
    assert len(ids) == len(set(ids)) == len(accepted) == sum(count for count, _ in totals)


def run(work: Callable[[int], None], threads: int) -> None:
    """Runs ``work(0)`` ... at once, and raises what they raised."""
    raised: list[BaseException] = []

    def guarded(seed: int) -> None:
        try:
            work(seed)
        except BaseException as error:
            raised.append(error)

    running = [threading.Thread(target=guarded, args=(seed,)) for seed in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if raised:
        raise raised[0]


def test_what_could_not_be_written_is_not_remembered(house):
    """The disk fills and empties while clients repeat each other's events: whoever gets an answer, its events are stored."""
    failures: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    lock = threading.Lock()
    ended = threading.Event()

    def post(seed: int) -> None:
        if seed == 0:
            fill_and_empty()
            return
        rng = random.Random(seed)
        while not ended.is_set():
            turn = house.log.newest // 20
            id_ = f"{turn}-{rng.randint(0, 5)}"
            try:
                receipt = house.accept(event(id_, filler=rng.randbytes(20_000).hex()))
            except DiskFull:
                with lock:
                    failures[id_] += 1
                continue
            assert receipt.accepted + receipt.duplicate == 1
            stored = house.log.newest
            assert any(json.loads(line)["id"] == id_ for line in _lines(house.log, stored))
            with lock:
                accepted[id_] += receipt.accepted

    def fill_and_empty() -> None:
        writer = house.log._writer
        assert writer is not None
        try:
            for _ in range(25):
                pages = writer.execute("PRAGMA page_count").fetchone()[0]
                writer.execute(f"PRAGMA max_page_count = {pages}")
                failed, patience = sum(failures.values()), 40
                while sum(failures.values()) == failed and (
                    patience := patience - 1
                ):  # someone must meet the full disk
                    ended.wait(0.005)
                writer.execute("PRAGMA max_page_count = 1000000000")
                ended.wait(0.04)
        finally:
            ended.set()

    run(post, 7)
    ids = house.ids()
    assert len(ids) == len(set(ids))
    assert sum(failures.values()) > 0, "the disk was never full: nothing was tested"
    assert max(accepted.values()) == 1
    assert {id_ for id_, count in accepted.items() if count} <= set(ids)
    for id_ in failures:  # whether it was stored in the end or not, the door knows
        assert counts(house.accept(event(id_))) == ((0, 1, 0) if id_ in ids else (1, 0, 0))


def _lines(log: SqliteLog, newest: int) -> Iterator[bytes]:
    for entry in log.read(0, 10**9, 1 << 40):
        if entry.kind == "events" and entry.first <= newest:
            yield from entries.event_lines(entry).splitlines()


def test_a_full_log_refuses_and_goes_on_when_there_is_room(tmp_path):
    """LogFull says when to come back; the same body is accepted later, not called a duplicate."""
    house = House(tmp_path, max_bytes=300_000)
    try:
        rng = random.Random(1)
        house.log.register("slow")
        fill = (house.accept(event(i, filler=rng.randbytes(4_000).hex())) for i in range(1000))
        with pytest.raises(LogFull) as full:
            list(fill)
        assert full.value.retry_after_s
        done = house.log.newest
        assert done > 10
        for _ in range(3):
            with pytest.raises(LogFull):
                house.accept(event(done, filler=rng.randbytes(4_000).hex()))
        house.door.close()  # its snapshot lets go of what it needed
        house.log.commit("slow", house.log.newest)
        house.again()
        assert counts(house.accept(event(done), event(done - 1))) == (1, 1, 0)
    finally:
        house.close()


def test_arrays_and_cloudevents_are_bodies_too(house):
    """A JSON array, with or without its content type, and CloudEvents; line numbers are the items'."""
    body = b"[" + event(1) + b",\n  " + event(2, feed="nonsense") + b"]"
    receipt = house.door.accept(body, "application/json; charset=utf-8")
    assert counts(receipt) == (1, 0, 1)
    assert receipt.rejected[0].line == 2
    assert counts(house.door.accept(b" " + body, "text/plain")) == (0, 1, 1)
    cloud = {
        "specversion": "1.0",
        "id": "c1",
        "type": "cn.fengsui.sensor",
        "source": "s",
        "time": "2026-05-28T08:00:00+08:00",
        "data": {"metric": "ph", "value": 7},
    }
    assert counts(house.door.accept(json.dumps(cloud).encode(), "application/cloudevents+json")) == (1, 0, 0)
    batch = json.dumps([cloud, {**cloud, "id": "c2"}]).encode()
    assert counts(house.door.accept(batch, "application/cloudevents-batch+json")) == (1, 1, 0)
    assert house.ids() == ["1", "c1", "c2"]


def test_nothing_in_a_body_is_nothing_in_the_log(house):
    """Empty bodies and blank lines are no events."""
    assert counts(house.door.accept(b"")) == (0, 0, 0)
    assert counts(house.door.accept(b"\n\n \n")) == (0, 0, 0)
    assert house.log.newest == 0


def test_an_event_too_far_ahead_is_refused(house):
    """Against the receipt: five minutes ahead is taken, more is not."""
    receipt = house.accept(event(1, time=NOW_MS + 300_000), event(2, time=NOW_MS + 300_001))
    assert counts(receipt) == (1, 0, 1)
    assert receipt.rejected[0].reason == "time_in_future"


def test_a_body_over_the_limit_is_refused_whole(house):
    """64 MB is the contract's bound."""
    with pytest.raises(BodyTooLarge):
        house.door.accept(b" " * (MAX_BODY_BYTES + 1))


def test_a_new_rule_set_brings_its_feeds(house):
    """From its activation on, and not before, events of a new feed are accepted; the log has them in that order."""
    feeds = "feeds: {tide: {domain: environment, fields: {height: number}}}"
    assert house.accept(event("a", feed="tide")).rejected_count == 1
    rules = load_rules({"feeds.yaml": feeds})
    pos = house.door.activate(rules)
    assert counts(house.accept(event("a", feed="tide", height=2.5))) == (1, 0, 0)
    read = house.log.read(0)
    assert [entry.kind for entry in read] == ["rules", "events"]
    assert read[0].pos == pos
    assert entries.activation(read[0]).bundle == rules.bundle
    newest = house.log.newest_rules()
    assert newest is not None
    assert newest.pos == pos


def test_a_closed_door_says_so(house):
    """After the end bodies are refused by name, and those under way were dealt with."""
    house.door.close()
    with pytest.raises(LogClosed):
        house.accept(event(1))
    with pytest.raises(LogClosed):
        house.door.activate(load_rules({}))
    house.door.close()


def test_sources_without_end_do_not_grow_the_metrics(house):
    """Beyond 500 sources the rest are counted together."""
    house.accept(*(event(i, source=f"s{i}") for i in range(700)))
    samples = [s for m in house.metrics.registry.collect() if m.name == "fengsui_events" for s in m.samples]
    assert len([s for s in samples if s.name.endswith("_total")]) == 501
    assert house.fate("accepted", source="other") == 200


def test_refused_lines_without_end_are_counted_but_not_all_listed(house, monkeypatch):
    """An answer has a bound; the dead letters have all."""
    monkeypatch.setattr("streams.gateway.receipt.MAX_LISTED", 10)
    receipt = house.accept(*[b"x"] * 1000)
    assert receipt.rejected_count == 1000
    assert [r.line for r in receipt.rejected] == list(range(1, 11))
    assert len(house.letters()) == 1000
