"""The store on the real engine, filled from real logs."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from hypothesis import given, settings
from hypothesis import strategies as st

from events.event import Rejected
from events.feeds import DAY_MS, FeedCatalog
from events.times import format_ms
from events.transition import Evidence, Transition, alert_id, at
from sinks.filters import Filter, FilterError
from sinks.live.fill import fill
from sinks.live.memory import Live
from sinks.store import rows
from sinks.store.address import public
from sinks.store.errors import StoreBusy, StoreClosed, StoreDown, StoreError, StoreInUse, StoreMismatch, StoreNewer
from sinks.store.store import Store
from streams.log.entry import Entry, dead_entry, events_entry, transition_entry
from streams.log.sqlite import SqliteLog
from tests.cluster.clickhouse import ClickHouse

#: 2026-01-05T00:00:00Z
DAY0_MS = 1_767_571_200_000
#: Takes minutes.
LONG = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"


@pytest.fixture(scope="module", params=["chdb", "http"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Each test asks both: the engine in this process, and one that answers over HTTP as a server does."""
    place = tmp_path_factory.mktemp("store") / "数据 目录"
    if request.param == "chdb":
        with Store.open(f"chdb://{place}") as store:
            yield store
        return
    with ClickHouse(place) as server, Store.open(server.url) as store:
        yield store


@pytest.fixture
def store(opened: Store) -> Store:
    """The module's engine (a process has one), with empty tables."""
    empty(opened)
    return opened


def empty(store: Store) -> None:
    with store._connections.writer() as client:
        for table in ("events", "controls", "transitions", "alerts", "dead_letters", "origins"):
            client.command(f"TRUNCATE TABLE {table}")
    store.forget_positions()


@pytest.fixture
def embedded(store: Store) -> Store:
    """For what is true only of an engine in this process."""
    if not store.embedded:
        pytest.skip("of the engine in this process")
    return store


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "events.sqlite") as log:
        yield log


def event(number: int, **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"e{number}", "feed": "sensor", "source": "hj212", "time": DAY0_MS + number * 1000}
    return made | fields


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events)


def append(log: SqliteLog, *events: dict[str, Any], at_ms: int = DAY0_MS) -> None:
    log.append([events_entry(lines(*events), count=len(events), at_ms=at_ms)])


def put(store: Store, log: SqliteLog, *events: dict[str, Any], at_ms: int = DAY0_MS) -> int:
    before = log.newest
    append(log, *events, at_ms=at_ms)
    return store.insert_events(log.read(before))


def opened_alert(number: int, severity: str = "red", **changes: Any) -> Transition:
    opened_ms = DAY0_MS + number * 60_000
    key: dict[str, Any] = {"subject": f"S{number}"}
    values: dict[str, Any] = {
        "alert": alert_id("env.cod", key, opened_ms),
        "n": 1,
        "type": "opened",
        "at": at(opened_ms),
        "rule": "env.cod",
        "version": "v1",
        "domain": "environment",
        "severity": severity,
        "key": key,
        "region": "530102",
        "subject": f"S{number}",
        "measures": {"mean": 61.5},
        "evidence": Evidence("sensor", key, at(opened_ms - 3_600_000), at(opened_ms), (f"e{number}",)),
        "title": {"zh": "超标", "en": "Above"},
        "summary": {"zh": "超标了", "en": "It is above"},
        "opened_at": at(opened_ms),
        "count": 1,
    }
    return Transition(**(values | changes))


def later(one: Transition, n: int, kind: str, **changes: Any) -> Transition:
    values = {name: getattr(one, name) for name in one.__struct_fields__}
    return Transition(**(values | {"n": n, "type": kind} | changes))


def tell(store: Store | None, log: SqliteLog, *made: Transition) -> int:
    before = log.newest
    for one in made:
        numbered = later(one, one.n, one.type, seq=log.newest + 1)
        log.append([transition_entry(numbered, at_ms=DAY0_MS)])
    return store.insert_transitions(log.read(before)) if store else 0


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in items]


# --- events


def test_an_event_comes_back_as_it_came_with_its_place_and_receipt(store: Store, log: SqliteLog) -> None:
    """Declared and undeclared fields, Chinese, nested values and the position are all there, and the raw bytes too."""
    one = event(1, subject="甲站", region="530102", lon=102.5, value=1.25, extra={"深": [1, None, "x\n\t'\\"]})
    assert put(store, log, one, at_ms=DAY0_MS + 5) == 1
    item = store.events().items[0]
    assert item == one | {"time": format_ms(one["time"]), "pos": 1, "receipt": format_ms(DAY0_MS + 5)}
    assert store.raw(1) == lines(one).strip()
    assert store.raw(2) is None


def test_the_same_entries_twice_are_one_set_of_rows(store: Store, log: SqliteLog) -> None:
    """A sink that crashed between insert and commit repeats a batch, whole or in part."""
    append(log, *(event(n) for n in range(5)))
    append(log, *(event(n) for n in range(5, 8)))
    entries = log.read(0)
    assert store.insert_events(entries[:1]) == 5
    assert store.insert_events(entries) == 3
    assert store.insert_events(entries) == 0
    store.forget_positions()  # as a new process finds it
    assert store.insert_events(entries[1:]) == 0
    assert len(store.events().items) == 8
    assert store.position("events") == 8


def test_a_batch_that_was_written_in_part_is_completed(store: Store, log: SqliteLog) -> None:
    """Rows of one month of receipt may be there when the next month's are not: the hole is filled, nothing is doubled."""
    append(log, *(event(n) for n in range(4)))
    whole, _ = rows.events(log.read(0))
    with store._connections.writer() as client:
        part = whole.filter(whole["pos"].is_in([1, 4]))
        client.raw_insert("events", column_names=part.columns, insert_block=rows.arrow(part), fmt="ArrowStream")
    assert store.insert_events(log.read(0)) == 2
    assert sorted(one["pos"] for one in store.events().items) == [1, 2, 3, 4]


def test_another_logs_rows_are_refused(store: Store, log: SqliteLog, tmp_path: Path) -> None:
    """Positions of a new log over those of an old one are a mix-up, not repeats to be skipped in silence."""
    put(store, log, event(1), event(2))
    with SqliteLog(tmp_path / "other.sqlite") as other:
        append(other, event(7))
        with pytest.raises(StoreMismatch, match="another log"):
            store.insert_events(other.read(0))


def test_a_store_is_bound_to_its_logs(store: Store, log: SqliteLog) -> None:
    """Another identity, or a log that ends before the store does, is said at the start."""
    put(store, log, event(1), event(2))
    store.bind("events", log.identity, log.newest)
    store.bind("events", log.identity, log.newest)
    with pytest.raises(StoreMismatch, match="another events log"):
        store.bind("events", "someone else", log.newest)
    with pytest.raises(StoreMismatch, match="position 2"):
        store.bind("events", log.identity, 1)


def test_pages_of_events_are_newest_first_and_hold_each_once(store: Store, log: SqliteLog) -> None:
    """Over hours, days and years, with equal times, the cursor misses and repeats nothing."""
    times = [0, 0, 0, 5, 3_600_000, 7_200_000, 7_200_000, -DAY_MS, -40 * DAY_MS, -9_000 * DAY_MS]
    put(store, log, *(event(n, time=DAY0_MS + shift) for n, shift in enumerate(times)))
    wanted = sorted(range(len(times)), key=lambda n: (times[n], n), reverse=True)
    got: list[str] = []
    cursor = None
    for _ in range(20):
        page = store.events(Filter(limit=3, cursor=cursor))
        got += ids(page.items)
        cursor = page.next
        if cursor is None:
            break
    assert got == [f"e{n}" for n in wanted]


def test_events_are_narrowed_by_each_filter(store: Store, log: SqliteLog) -> None:
    """Times (from inclusive, to exclusive), region prefix, feed, subject and the feed's domain."""
    put(
        store,
        log,
        event(1, region="530102", subject="A"),
        event(2, region="530302", subject="B"),
        event(3, feed="complaint", region="53", subject="A"),
    )
    market = FeedCatalog.builtin().feeds["complaint"].domain
    assert ids(store.events(Filter(region="5301")).items) == ["e1"]
    assert ids(store.events(Filter(subject="A")).items) == ["e3", "e1"]
    assert ids(store.events(Filter(feed="sensor")).items) == ["e2", "e1"]
    assert ids(store.events(Filter(domain=market)).items) == ["e3"]
    assert ids(store.events(Filter(domain="no such")).items) == []
    assert ids(store.events(Filter(from_ms=DAY0_MS + 2000, to_ms=DAY0_MS + 3000)).items) == ["e2"]
    assert store.events(Filter(from_ms=DAY0_MS + 10_000)).items == []
    with pytest.raises(FilterError, match="severity"):
        store.events(Filter(severity=frozenset({"red"})))
    with pytest.raises(FilterError, match="cursor"):
        store.events(Filter(cursor="nonsense"))


def test_hostile_texts_are_only_texts(store: Store, log: SqliteLog) -> None:
    """Quotes, backslashes, line ends, placeholders and SQL in values select what they name and nothing else."""
    hostile = [
        "x' OR '1'='1",
        'a"b',
        "a\\",
        "\\'",
        "{p0:String}",
        "%(x)s",
        "tab\tnl\n",
        "\\n",
        "'); DROP TABLE events; --",
        "\u2028𝄞",
    ]
    put(store, log, *(event(n, subject=text, **{"字段'": text}) for n, text in enumerate(hostile)))
    for n, text in enumerate(hostile):
        assert ids(store.events(Filter(subject=text)).items) == [f"e{n}"], text
        found = store.evidence("sensor", {"字段'": text, "subject": text}, DAY0_MS, DAY0_MS + DAY_MS)
        assert ids(found.items) == [f"e{n}"], text
    assert store.evidence("sensor", {"subject": "S"}, DAY0_MS, DAY0_MS + DAY_MS, ["') OR 1=1 --"]).items == []


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_is_found_by_itself(opened: Store, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """What is bound reaches the engine as it is, whatever characters it has."""
    with opened._connections.reader() as client:
        bound = client.query(
            "SELECT {a:String}, {b:Array(String)}", parameters={"a": text, "b": [text, ""]}
        ).result_rows[0]
    assert (bound[0], list(bound[1])) == (text, [text, ""])


def test_times_are_read_alike_in_columns_and_one_by_one() -> None:
    """Offsets, fractions, lower-case letters, integers and years before 1970 all give the same instant."""
    texts: list[str | int] = [
        "2026-01-05T00:00:00Z",
        "2026-01-05T08:00:00+08:00",
        "2026-01-05T00:00:00.1239Z",
        "2026-01-05 00:00:00.5-05:30",
        "2026-01-05t00:00:00z",
        "1949-10-01T15:00:00.001+08:00",
        "0001-01-02T00:00:00Z",
        DAY0_MS,
        -1,
    ]
    assert rows.times_ms(texts).to_list() == [
        DAY0_MS,
        DAY0_MS,
        DAY0_MS + 123,
        DAY0_MS + 19_800_500,
        DAY0_MS,
        -639_075_599_999,
        -62_135_510_400_000,
        DAY0_MS,
        -1,
    ]


def test_inserts_pass_through_the_stores_own_directory(
    embedded: Store, log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not through the system's temporary one; nothing is left there, after a refused one, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    put(embedded, log, event(1))
    staging = embedded._connections._staging
    assert staging is not None
    assert staging.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError):
        embedded._connections.insert("events", ["pos"], b"no arrow", form="ArrowStream", token="t")
    assert list(staging.iterdir()) == []


# --- evidence and series


def test_evidence_is_the_keys_events_in_the_range_both_ends_included(store: Store, log: SqliteLog) -> None:
    """Key fields that are no columns are taken out of the event; other keys, feeds and times stay out."""
    put(
        store,
        log,
        event(0, subject="A", metric="w01018", value=1),
        event(3, subject="A", metric="w01018", value=3),
        event(1, subject="A", metric="w01018", value=2),
        event(2, subject="A", metric="w21003", value=9),
        event(2, id="other", subject="B", metric="w01018", value=9),
        event(2, id="feed", feed="complaint", subject="A", metric="w01018"),
        event(4, subject="A", metric="w01018", value=4),
    )
    key = {"subject": "A", "metric": "w01018"}
    found = store.evidence("sensor", key, DAY0_MS + 1000, DAY0_MS + 3000)
    assert (ids(found.items), found.more) == (["e1", "e3"], False)
    cut = store.evidence("sensor", key, DAY0_MS, DAY0_MS + 4000, ["e0"], limit=2)
    assert (ids(cut.items), cut.more) == (["e0", "e4"], True)


def test_evidence_names_steps_of_other_feeds_by_id_but_only_of_the_same_key(store: Store, log: SqliteLog) -> None:
    """Ids are unique within a source only: the same id of another subject is not evidence."""
    put(
        store,
        log,
        event(1, id="step", feed="inspection", subject="A"),
        event(2, id="step", feed="inspection", subject="B", source="other"),
        event(3, subject="A"),
    )
    found = store.evidence("sensor", {"subject": "A"}, DAY0_MS + 3000, DAY0_MS + 3000, ["step"])
    assert [(one["id"], one["subject"]) for one in found.items] == [("step", "A"), ("e3", "A")]


@pytest.mark.parametrize(
    ("value", "others"),
    [
        (5, ["5", 5.5, True, None]),
        (1.5, [1, "1.5"]),
        (True, [False, 1, "true"]),
        ("5", [5]),
        (2**60 + 1, [2**60]),
        ("", [0]),
    ],
)
def test_key_values_match_by_type(store: Store, log: SqliteLog, value: Any, others: list[Any]) -> None:
    """The number 5 is not the text "5", and true is neither."""
    put(store, log, event(0, grade=value), *(event(n + 1, grade=other) for n, other in enumerate(others)), event(99))
    assert ids(store.evidence("sensor", {"grade": value}, DAY0_MS, DAY0_MS + DAY_MS).items) == ["e0"]


def test_a_series_is_points_or_means_of_buckets_or_counts(store: Store, log: SqliteLog) -> None:
    """Few events come as they are, many in buckets; events without the number are left out; the limit comes along."""
    put(
        store,
        log,
        *(event(n, subject="A", value=float(n), limit=60) for n in range(10)),
        event(3, id="none", subject="A"),
        event(4, id="text", subject="A", value="n/a"),
    )
    span = (DAY0_MS, DAY0_MS + 9000)
    plain = store.series("sensor", {"subject": "A"}, "value", *span, limit_field="limit")
    assert plain.points == [(DAY0_MS + n * 1000, float(n)) for n in range(10)]
    assert (plain.bucket_ms, plain.limit) == (0, 60.0)
    means = store.series("sensor", {"subject": "A"}, "value", *span, bucket_ms=5000)
    assert (means.points, means.bucket_ms) == ([(DAY0_MS, 2.0), (DAY0_MS + 5000, 7.0)], 5000)
    counts = store.series("sensor", {"subject": "A"}, None, *span, bucket_ms=5000)
    assert counts.points == [(DAY0_MS, 7.0), (DAY0_MS + 5000, 5.0)]
    assert len(store.series("sensor", {"subject": "A"}, "value", *span, max_points=3).points) <= 4
    assert store.series("sensor", {"subject": "none"}, "value", *span, limit_field="limit").limit is None


# --- alerts


def test_an_alert_is_its_newest_transition_and_its_history_holds_each_once(store: Store, log: SqliteLog) -> None:
    """Transitions that a worker appended twice count once, the first seq stands."""
    first = opened_alert(1)
    second = later(first, 2, "acked", state="acked", by="王")
    assert tell(store, log, first, second, first, second) == 4
    assert [(one.n, one.type, one.seq) for one in store.alert_history(first.alert)] == [
        (1, "opened", 1),
        (2, "acked", 2),
    ]
    newest = store.alert(first.alert)
    assert newest is not None
    assert (newest.state, newest.by, newest.seq) == ("acked", "王", 2)
    assert [one.state for one in store.alerts().items] == ["acked"]
    assert store.alert("0" * 16) is None
    assert store.alert_history("0" * 16) == []


def test_pages_of_alerts_are_red_first_then_newest(store: Store, log: SqliteLog) -> None:
    """The same order and the same cursors as the live state gives."""
    made = [opened_alert(n, severity) for n, severity in enumerate(["blue", "red", "orange", "red", "yellow", "blue"])]
    tell(store, log, *made)
    live = Live()
    fill(live, log)
    for source in (store, live):
        got: list[str] = []
        cursor = None
        for _ in range(10):
            page = source.alerts(Filter(limit=2, cursor=cursor))
            got += [one.subject or "" for one in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert got == ["S3", "S1", "S2", "S4", "S5", "S0"]


def test_store_and_live_state_admit_the_same_alerts(store: Store, log: SqliteLog) -> None:
    """One filter, two implementations: they must agree on every field."""
    tell(
        store,
        log,
        opened_alert(1),
        opened_alert(2, "orange", state="acked"),
        opened_alert(3, "blue", domain="market", rule="m.x", region=None),
        opened_alert(4, shadow=True),
        opened_alert(5, region="530302", evidence=Evidence("complaint", {}, "x", "y")),
        opened_alert(6, state="resolved", condition="cleared", closed_at=at(DAY0_MS)),
    )
    live = Live()
    fill(live, log)
    for params in (
        {},
        {"severity": "red,blue"},
        {"state": "unresolved"},
        {"state": "open,resolved"},
        {"domain": "market"},
        {"rule": "env.cod"},
        {"region": "5301"},
        {"region": "53"},
        {"subject": "S5"},
        {"feed": "complaint"},
        {"shadow": "1"},
        {"from": str(DAY0_MS + 120_000)},
        {"to": format_ms(DAY0_MS + 180_000), "severity": "red"},
    ):
        wanted = Filter.parse(params)
        assert [a.alert for a in store.alerts(wanted).items] == [a.alert for a in live.alerts(wanted).items], params


def test_trend_and_regions_count_alerts_once(store: Store, log: SqliteLog) -> None:
    """By the bucket of the opening and by the severity that the alert has now; a bucket may start at local midnight."""
    one = opened_alert(0, "orange")
    tell(
        store,
        log,
        one,
        later(one, 2, "escalated", severity="red"),
        opened_alert(61, "blue"),
        opened_alert(62, region="5303"),
    )
    assert store.trend() == [(DAY0_MS, {"red": 1}), (DAY0_MS + 3_600_000, {"blue": 1, "red": 1})]
    day = store.trend(bucket_ms=DAY_MS, offset_ms=DAY_MS - 8 * 3_600_000)
    assert day == [(DAY0_MS - 8 * 3_600_000, {"blue": 1, "red": 2})]
    assert store.regions(digits=4) == {"5301": {"blue": 1, "red": 1}, "5303": {"red": 1}}


def test_a_subject_is_summed_up(store: Store, log: SqliteLog, tmp_path: Path) -> None:
    """Feeds, regions, first and last time, alerts by severity; an unknown one is empty."""
    put(store, log, event(1, subject="S1", region="530102"), event(2, subject="S1", feed="complaint"))
    with SqliteLog(tmp_path / "transitions.sqlite") as other:
        tell(store, other, opened_alert(1), opened_alert(1, "blue", alert="f" * 16, state="resolved"))
    found = store.subject("S1")
    assert (found.first_ms, found.last_ms) == (DAY0_MS + 1000, DAY0_MS + 2000)
    assert (dict(found.feeds), found.regions) == ({"complaint": 1, "sensor": 1}, ("530102",))
    assert (dict(found.alerts), found.unresolved) == ({"red": 1, "blue": 1}, 1)
    assert store.subject("nobody").first_ms is None


def test_the_live_state_is_filled_from_the_store_where_the_log_has_been_trimmed(
    store: Store, log: SqliteLog, tmp_path: Path
) -> None:
    """An alert that has been open for longer than the log is kept is still on the board after a restart."""
    old, new = opened_alert(1), opened_alert(2)
    tell(store, log, old, new, later(new, 2, "resolved", state="resolved"))
    with SqliteLog(tmp_path / "kept.sqlite") as kept:
        live = Live()
        assert fill(live, kept, store) == 0
    assert (len(live), live.newest_seq) == (2, 3)
    found = live.get(old.alert)
    assert found is not None
    assert found.state == "open"
    assert live.counts().state == {"open": 1, "resolved": 1}


# --- dead letters, retention, life


def test_refused_lines_keep_their_bytes(store: Store, log: SqliteLog) -> None:
    """Reason, detail and the line itself, broken UTF-8 shown as such; newest first, in pages."""
    refused = [Rejected(1, "bad_json", "x", b"{oops"), Rejected(2, "bad_utf8", "y", b'{"a":"\xff"}', feed="sensor")]
    made = dead_entry(refused, at_ms=DAY0_MS)
    assert made is not None
    log.append([made])
    assert store.insert_dead(log.read(0)) == 2
    assert store.insert_dead(log.read(0)) == 0
    page = store.dead_letters(Filter(limit=1))
    assert (page.items[0]["reason"], page.items[0]["raw"]) == ("bad_utf8", '{"a":"\ufffd"}')
    rest = store.dead_letters(Filter(limit=1, cursor=page.next))
    assert (rest.items[0]["raw"], rest.next) == ("{oops", None)
    assert len(store.dead_letters(Filter(feed="sensor")).items) == 1


def test_what_is_past_its_retention_is_deleted(store: Store, log: SqliteLog) -> None:
    """By feed, by days since receipt, by the catalogue of now; refused lines after 90 days."""
    days = FeedCatalog.builtin().feeds["sensor"].retention_days
    put(store, log, event(1), at_ms=DAY0_MS - days * DAY_MS - 1)
    put(store, log, event(2), event(3, feed="complaint"), at_ms=DAY0_MS)
    made = dead_entry([Rejected(1, "bad_json", "x", b"{oops")], at_ms=DAY0_MS - 91 * DAY_MS)
    assert made is not None
    log.append([made])
    store.insert_dead(log.read(0))
    assert store.sweep(DAY0_MS) == {"sensor": 1, "": 1}
    assert sorted(ids(store.events().items)) == ["e2", "e3"]
    assert store.dead_letters().items == []
    assert store.sweep(DAY0_MS) == {}


def test_a_dump_fills_an_empty_store_and_no_other(store: Store, log: SqliteLog, tmp_path: Path) -> None:
    """A backup of a running system: rows up to where the copied logs end, alerts made anew, positions known again."""
    put(store, log, event(1, subject="甲", lon=1.5), event(2), event(3))
    first = opened_alert(1)
    with SqliteLog(tmp_path / "transitions.sqlite") as other:
        tell(store, other, first, later(first, 2, "acked", state="acked"))
    store.bind("events", log.identity, log.newest)
    place = tmp_path / "it's a copy"
    before = store.events(Filter(to_ms=DAY0_MS + 3000)).items
    assert store.dump(place, {"events": 2}) == {
        "origins": 1,
        "events": 2,
        "controls": 0,
        "transitions": 2,
        "dead_letters": 0,
    }
    with pytest.raises(StoreMismatch, match="not empty"):
        store.load(place)
    empty(store)
    assert store.load(place)["events"] == 2
    assert store.events().items == before
    assert [one.state for one in store.alerts().items] == ["acked"]
    assert store.position("events") == 2
    with pytest.raises(StoreMismatch):
        store.bind("events", "someone else", 2)
    assert store.insert_events(log.read(0)) == 1


def test_one_process_has_one_engine(tmp_path: Path, embedded: Store) -> None:
    """Another path while the first is open is refused with what to do."""
    with pytest.raises(StoreInUse, match="engine"):
        Store.open(f"chdb://{tmp_path / 'second'}")


def test_a_long_question_ends_with_a_named_error(store: Store) -> None:
    """It costs its own connection ten seconds at most, and the others none."""
    with pytest.raises(StoreBusy, match="in time"), store._connections.reader() as client:
        client.query(LONG, settings={"max_execution_time": 1})
    assert store.check()


def test_a_short_question_does_not_wait_for_a_long_one(store: Store) -> None:
    """Readers have connections of their own, and so has the writer."""
    started = threading.Event()

    def long_question() -> None:
        with store._connections.report() as client:
            started.set()
            with pytest.raises(ClickHouseError):
                client.query(LONG, settings={"max_execution_time": 2})

    thread = threading.Thread(target=long_question)
    thread.start()
    started.wait(5)
    begun = time.monotonic()
    store.alerts()
    took_s = time.monotonic() - begun
    thread.join()
    assert took_s < 1.5


def test_many_threads_ask_and_write_at_once(store: Store, log: SqliteLog) -> None:
    """More askers than connections: they wait their turn, nothing is lost."""
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(5):
                store.events(Filter(limit=5))
                store.alerts()
        except BaseException as error:  # the test reports it
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(10):
        put(store, log, event(number))
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.events().items) == 10


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """StoreDown says that a retry can help, and where it was looked for."""
    with pytest.raises(StoreDown, match=r"127\.0\.0\.1:9") as raised:
        Store.open("http://user:secret@127.0.0.1:9/fengsui")
    assert raised.value.retryable
    assert "secret" not in str(raised.value)
    assert public("http://user:secret@host:8123/db") == "http://host:8123/db"


def test_entries_of_other_kinds_are_passed_over(store: Store) -> None:
    """Ticks, acts and rule sets stand in the same log."""
    assert store.insert_events([Entry(1, 1, "tick", DAY0_MS, b""), Entry(2, 1, "act", DAY0_MS, b"{}")]) == 0
    assert store.insert_transitions([]) == 0


def test_tables_of_a_newer_version_are_refused(store: Store) -> None:
    """A downgrade does not write into tables that it does not know."""
    with store._connections.writer() as client:
        client.command("INSERT INTO migrations VALUES (9999, 'from the future', '')")
    try:
        with pytest.raises(StoreNewer, match="newer version"):
            Store.open(store.place)
    finally:
        with store._connections.writer() as client:
            client.command("ALTER TABLE migrations DELETE WHERE number = 9999")
    Store.open(store.place).close()


def test_a_closed_store_says_so(opened: Store) -> None:
    """A second handle on the same directory closes without touching the first."""
    other = Store.open(opened.place)
    other.close()
    other.close()
    with pytest.raises(StoreClosed):
        other.events()
    assert opened.check()
