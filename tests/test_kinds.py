"""The rule kinds of the contract, sentence by sentence, as timelines."""

from __future__ import annotations

from tests.timeline import Timeline, told

EACH = "id: r\nfeed: sensor\nwhen: value > 10\nseverity: {red: value > 100, orange: value > 50, yellow: true}"


def test_each_opens_updates_escalates_and_closes() -> None:
    """An episode opens at the first true evaluation, is updated a minute later, escalates, and closes at the first false one."""
    line = Timeline(EACH)
    line.values((0, 5), (1, 11), (30, 12), (61, 12), (62, 60), (63, 20), (64, 9))
    assert told(line.made) == [("opened", 1), ("updated", 61), ("escalated", 62), ("closed", 64)]
    assert [t.severity for t in line.made] == ["yellow", "yellow", "orange", "orange"]
    assert [t.count for t in line.made] == [1, 3, 4, 5]
    assert [t.n for t in line.made] == [1, 2, 3, 4]
    assert [t.measures["value"] for t in line.made] == [11, 12, 60, 9]
    assert line.made[0].evidence.events == ("e2",)


def test_each_sees_events_in_arrival_order() -> None:
    """An older event may open an alert, but neither closes nor updates one."""
    line = Timeline(EACH)
    line.values((10, 20), (5, 1), (4, 60))
    assert told(line.made) == [("opened", 10)]
    line.values((11, 1), (7, 60))
    assert told(line.made) == [("opened", 10), ("closed", 11), ("opened", 7)]


def test_openings_of_one_key_in_one_millisecond_are_one() -> None:
    """Whatever opened in between; a condition that is true at a later evaluation opens a new alert."""
    line = Timeline(EACH)
    line.act("resolve", line.values((10, 20))[0].alert, 10)
    line.act("resolve", line.values((8, 20))[0].alert, 10)
    assert line.values((10, 20)) == []
    assert line.values((8, 20)) == []
    assert told(line.values((8, 20), (11, 20))) == [("opened", 11)]
    assert told(line.made) == [("opened", 10), ("resolved", 10), ("opened", 8), ("resolved", 10), ("opened", 11)]
    line.values((20, 1), (20, 20), (20, 1), (11, 20), (30, 20))
    assert told(line.made)[5:] == [("closed", 20), ("opened", 20), ("closed", 20), ("opened", 30)]


def test_an_old_opening_over_again_is_no_run() -> None:
    """A late event that opened before opens nothing; one that is older still opens all the same."""
    line = Timeline(EACH)
    line.values((10, 20), (11, 5), (10, 20), (9, 20))
    assert told(line.made) == [("opened", 10), ("closed", 11), ("opened", 9)]


def test_an_old_opening_over_again_is_known_however_long_ago_it_was() -> None:
    """After a day, or many openings: it opens nothing, and what is true next opens an alert of its own, also in the same batch."""
    line = Timeline(EACH)
    line.values((10, 20), (11, 5))
    line.tick(100_000)
    line.values((10, 20), (100_001, 20), (100_002, 5))
    assert told(line.made) == [("opened", 10), ("closed", 11), ("opened", 100_001), ("closed", 100_002)]
    flaps = [pair for i in range(10) for pair in ((10 * i, 20), (10 * i + 5, 5))]
    line = Timeline(EACH)
    line.values(*flaps, (0, 20), (200, 20), (201, 5), (1, 20))
    assert told(line.made)[20:] == [("opened", 200), ("closed", 201), ("opened", 1)]


def test_what_happens_to_an_alert_at_one_instant_stays_in_order() -> None:
    """Updates before and after an escalation, released together: ``n`` rises, so that the newest is what holds."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {sliding: 10s}\nmeasure: {m: last(value)}\nwhen: m > 10\n"
        "severity: {red: m > 50, blue: true}\nupdate_every: 0s"
    )
    line.values((0, 11), (0, 12), (0, 60), (0, 61), (0, 5))
    line.tick(100)
    assert [(t.n, t.type) for t in line.made] == [
        (1, "opened"),
        (2, "updated"),
        (3, "escalated"),
        (4, "updated"),
        (5, "closed"),
    ]


def test_null_does_not_hold() -> None:
    """A null `when` is a false evaluation."""
    line = Timeline(EACH)
    line.values((0, 11), (1, None))
    assert told(line.made) == [("opened", 0), ("closed", 1)]


def test_hold_asks_for_an_unbroken_run() -> None:
    """With hold the alert opens at the first true evaluation that lies D or more after the first of the run."""
    line = Timeline("id: r\nfeed: sensor\nwhen: value > 10\nhold: 10s\nseverity: red")
    line.values((0, 11), (5, 11), (8, 1), (9, 11), (18, 11), (19, 11), (20, 1))
    assert told(line.made) == [("opened", 19), ("closed", 20)]


def test_clear_is_a_hysteresis() -> None:
    """Where `clear` is given a false `when` alone does not close, and clear wins where both hold."""
    line = Timeline("id: r\nfeed: sensor\nwhen: value > 10\nclear: value < 5 OR value > 1000\nseverity: red")
    line.values((0, 11), (1, 7), (2, 4), (3, 2000), (4, 11), (5, 2000))
    assert told(line.made) == [("opened", 0), ("closed", 2), ("opened", 4), ("closed", 5)]


def test_clear_after_closes_by_time() -> None:
    """No true evaluation for clear_after closes at last true + clear_after, as soon as the watermark is past it."""
    line = Timeline("id: r\nfeed: sensor\nwhen: value > 10\nclear_after: 30s\nseverity: red")
    line.values((0, 11), (20, 11))
    assert line.tick(50 + 60 + 5) == []  # the watermark stands at 50
    assert told(line.tick(50.001 + 65)) == [("closed", 50)]
    line.values((200, 11), (231, 11))
    assert told(line.made)[-3:] == [("opened", 200), ("closed", 230), ("opened", 231)]


TUMBLING = """
id: r
feed: sensor
where: quality IS NULL OR quality = 'N'
window: {tumbling: 1m}
measure: {mean: avg(value), n: count(*)}
when: mean > 10
severity: red
"""


def test_tumbling_windows_are_half_open_and_aligned() -> None:
    """[start, end) from the epoch; evaluated at the end; a key without an event has no window."""
    line = Timeline(TUMBLING)
    line.values((0, 20), (59.999, 10), (60, 1), (300, 20))
    assert line.made[0].measures == {"mean": 15.0, "n": 2}
    assert told(line.made) == [("opened", 60), ("closed", 120)]
    line.end(360)
    assert told(line.made)[2:] == [("opened", 360)]


def test_a_window_waits_for_the_watermark() -> None:
    """A sensor's lateness is 5 s: what comes within it still counts, what comes later is late and counts nowhere."""
    line = Timeline(TUMBLING)
    assert line.values((10, 20), (64, 1), (59, 40)) == []
    assert told(line.values((65, 1))) == [("opened", 60)]
    assert line.made[0].measures["n"] == 2
    line.values((58, 999))
    assert line.fates[("sensor", "test", "late")] == 1
    assert told(line.end()) == []


def test_hopping_windows_overlap() -> None:
    """Windows of 2 m every minute; the alert closes at its size after the last true one."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {hopping: 2m, every: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 3\nseverity: red"
    )
    line.values((50, 1), (70, 1), (80, 1), (130, 1), (131, 1), (400, 1))
    assert [(t.type, t.measures["n"]) for t in line.made if t.type != "closed"] == [("opened", 3), ("updated", 4)]
    assert told(line.made) == [("opened", 120), ("updated", 180), ("closed", 240)]


def test_hopping_windows_that_do_not_divide() -> None:
    """Starts are multiples of `every`: windows of 90 s every 60 s end at 90, 150, 210."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {hopping: 90s, every: 60s}\nmeasure: {n: count(*)}\nwhen: n >= 2\nseverity: red"
    )
    line.values((70, 1), (80, 1), (1000, 1))
    assert told(line.made) == [("opened", 90), ("updated", 150), ("closed", 240)]


def test_sliding_windows_are_open_at_the_old_end() -> None:
    """Measures at each event over (t - D, t]."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {sliding: 10s}\nmeasure: {n: count(*), top: max(value)}\nwhen: n >= 2\nseverity: red"
    )
    line.values((0, 1), (10, 5), (19, 2), (29, 1))
    line.end()
    assert told(line.made) == [("opened", 19), ("closed", 29)]
    assert line.made[0].measures == {"n": 2, "top": 5.0}


def test_sliding_windows_of_two_sizes_after_a_silence() -> None:
    """The shorter one has forgotten all that it was full of, as the longer one has."""
    line = Timeline(
        *(
            f"id: r{size}\nfeed: sensor\nwindow: {{sliding: {size}s}}\nmeasure: {{n: count(*), top: max(value)}}\n"
            "when: n >= 1\nseverity: red\nupdate_every: 0s"
            for size in (10, 30)
        )
    )
    line.values((1, 9), (2, 8), (3, 7), (4, 6), (1000, 5))
    line.end()
    found = [(t.rule, t.measures) for t in line.made if t.type != "closed"]
    assert found[-4:] == [
        ("r10", {"n": 4, "top": 9.0}),
        ("r30", {"n": 4, "top": 9.0}),
        ("r10", {"n": 1, "top": 5.0}),
        ("r30", {"n": 1, "top": 5.0}),
    ]


def test_daily_windows_start_at_midnight_in_shanghai() -> None:
    """From one day up windows run from local midnight: 16:00Z."""
    line = Timeline(TUMBLING.replace("1m", "1d"))
    line.values((15 * 3600, 20), (16 * 3600 - 1, 20), (16 * 3600, 1), (40 * 3600 + 10, 1))
    assert told(line.made) == [("opened", 16 * 3600), ("closed", 40 * 3600)]


def test_absent_opens_once_and_closes_when_heard() -> None:
    """At t + D as soon as the watermark is past it; the next event closes; an event at exactly t + D is in time."""
    line = Timeline("id: r\nfeed: sensor\nabsent: 1m\nseverity: red")
    line.values((0, 1), (60, 1))
    assert line.tick(120 + 65) == []
    assert told(line.tick(120 + 65.001)) == [("opened", 120)]
    line.tick(1000)
    line.values((1000, 1), (1010, 1))
    line.end()
    assert told(line.made) == [("opened", 120), ("closed", 1000)]
    assert line.made[0].evidence.from_ == "2026-01-01T00:01:00.000Z"


def test_absent_between_two_events_of_one_batch() -> None:
    """Each silence is an alert, also when all of it arrives at once."""
    line = Timeline("id: r\nfeed: sensor\nabsent: 1m\nseverity: red")
    line.values((0, 1), (100, 1), (300, 1), (310, 1))
    assert told(line.made) == [("opened", 60), ("closed", 100), ("opened", 160), ("closed", 300)]


def test_expected_keys_count_as_heard_at_the_first_event() -> None:
    """A listed key that never reports is missing D after the first event of a replay."""
    line = Timeline("id: r\nfeed: sensor\nabsent: 1m\nexpect: [s, never]\nseverity: red")
    line.values((0, 1), (50, 1), (100, 1))
    line.end()
    assert [(t.type, t.key) for t in line.made] == [("opened", {"subject": "never"})]


SEQUENCE = """
id: r
sequence:
  - {feed: inspection, where: result = '不合格'}
  - {unless: {feed: inspection, where: result = '合格'}}
  - {feed: complaint}
within: 1h
severity: red
"""


def inspection(t: float, result: str, subject: str = "s") -> dict[str, object]:
    return {"t": t, "feed": "inspection", "result": result, "subject": subject}


def complaint(t: float, subject: str | None = "s") -> dict[str, object]:
    return {"t": t, "feed": "complaint", "category": "食品", "subject": subject}


def test_a_sequence_over_two_feeds() -> None:
    """It opens at the event that completes the steps; evidence names the steps' events; every match is an alert of its own."""
    line = Timeline(SEQUENCE)
    line.events([inspection(0, "不合格"), complaint(10), complaint(20), inspection(30, "不合格"), complaint(40)])
    line.end()
    assert told(line.made) == [("opened", 10), ("opened", 40)]
    assert line.made[0].evidence.events == ("e1", "e2")


def test_unless_discards() -> None:
    """An `unless` event discards the partial match while it waits for the step after it."""
    line = Timeline(SEQUENCE)
    line.events([inspection(0, "不合格"), inspection(5, "合格"), complaint(10)])
    line.end()
    assert line.made == []


def test_a_sequence_expires() -> None:
    """An event at exactly start + D still completes, one after it does not."""
    line = Timeline(SEQUENCE)
    line.events([inspection(0, "不合格"), complaint(3600), inspection(4000, "不合格"), complaint(7600.001)])
    line.end()
    assert told(line.made) == [("opened", 3600)]


ABSENCE = """
id: r
sequence:
  - {feed: complaint}
  - {absent: {feed: inspection}}
within: 1h
severity: red
"""


def test_a_last_absent_step() -> None:
    """It opens at start + D when no such event came up to and at that instant."""
    line = Timeline(ABSENCE)
    line.events([complaint(0), inspection(3600, "合格"), complaint(5000)])
    line.end(20000)
    assert told(line.made) == [("opened", 8600)]


def test_keyless_events_are_counted() -> None:
    """An event without one of its by fields is not evaluated."""
    line = Timeline(EACH)
    line.values((0, 99), subject=None)
    assert line.made == []
    assert line.engine.keyless() == {"r": 1}


def test_receipts_cap_the_clock() -> None:
    """An event stamped ahead of its receipt moves the clock only to its receipt."""
    line = Timeline(TUMBLING)
    line.events([{"t": 10, "value": 20}, {"t": 200, "value": 1}], receipts=[10, 30])
    assert line.made == []
    assert line.engine.clock_ms is not None
    assert line.engine.watermarks()["sensor"] < 60_000 + 1_767_225_600_000


def test_peoples_acts() -> None:
    """The contract's table: ack from open, resolve from all but resolved, reopen from resolved; the rest is refused."""
    line = Timeline(EACH)
    alert = line.values((0, 20))[0].alert
    assert line.act("ack", alert, 1, note="在看")[0].state == "acked"
    assert line.act("ack", alert, 2) == []
    assert line.refusals[-1][1].startswith("cannot ack an alert that is acked")
    assert line.act("assign", alert, 3, to="李工")[0].to == "李工"
    assert line.act("note", alert, 4, note="已通知")[0].state == "assigned"
    line.values((5, 30))  # a true evaluation, within a minute: no transition
    resolved = line.act("resolve", alert, 6)[0]
    assert (resolved.state, resolved.condition, resolved.n) == ("resolved", "cleared", 5)
    assert line.act("resolve", alert, 7) == []
    assert line.act("reopen", alert, 8)[0].state == "open"
    assert line.act("ack", "0" * 16) == []
    assert "no alert" in line.refusals[-1][1]
    again = line.values((9, 30))
    assert [t.type for t in again] == ["opened"]
    assert again[0].alert != alert


def test_blue_resolves_itself() -> None:
    """Closing resolves the severities under auto_resolve, blue by default."""
    line = Timeline("id: r\nfeed: sensor\nwhen: value > 10\nseverity: {red: value > 50, blue: true}")
    line.values((0, 20), (1, 1), (2, 60), (3, 1))
    assert [(t.type, t.state) for t in line.made if t.type == "closed"] == [("closed", "resolved"), ("closed", "open")]


def test_silent_keys_are_forgotten() -> None:
    """A key not heard of for `forget` goes, unless an episode of it is open."""
    line = Timeline("id: r\nfeed: sensor\nwhen: value > 10\nforget: 1d\nseverity: red")
    line.values((0, 1), subject="quiet")
    line.values((0, 20), subject="open")
    line.values((2 * 86_400, 1), subject="other")
    line.values((2 * 86_400 + 7200, 1), subject="other")
    assert line.engine.forgotten == 1
    assert told(line.values((3 * 86_400, 1), subject="open")) == [("closed", 3 * 86_400)]
