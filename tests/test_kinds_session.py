"""Session windows, sentence by sentence, as timelines."""

from __future__ import annotations

from tests.timeline import Timeline, told

SESSION = """
id: r
feed: sensor
window: {session: 10s, max: 1m}
measure: {n: count(*), top: max(value)}
when: n >= 2
severity: red
"""


def test_a_session_is_judged_at_its_last_event_and_the_gap() -> None:
    """It opens at last event + G, when the session closed and `when` holds."""
    line = Timeline(SESSION)
    line.values((0, 1), (4, 7))
    assert line.tick(14 + 65) == []  # the watermark stands at 14: an event at that instant could still join
    assert told(line.tick(14.001 + 65)) == [("opened", 14)]
    assert line.made[0].measures == {"n": 2, "top": 7}


def test_exactly_the_gap_joins() -> None:
    """A gap greater than G ends a session; exactly G joins."""
    line = Timeline(SESSION)
    line.values((0, 1), (10, 1), (20.001, 1), (100, 1))
    line.end(200)
    assert told(line.made) == [("opened", 20), ("closed", 30)]
    assert line.made[0].measures["n"] == 2


def test_a_session_is_cut_at_its_longest() -> None:
    """An event at exactly first + max still joins; one after it begins another session, however small the gap."""
    line = Timeline(SESSION.replace("n >= 2", "n >= 1"))
    line.values(*((t, 1) for t in range(0, 65, 5)), (200, 1))
    line.end(300)
    assert [t.measures["n"] for t in line.made if t.type == "opened"] == [13, 1]
    assert told(line.made) == [("opened", 60), ("closed", 70), ("opened", 210), ("closed", 220)]


def test_a_false_session_closes_the_alert() -> None:
    """A session is one evaluation like any other; without one the alert closes a gap after the last true one."""
    line = Timeline(SESSION + "clear_after: 1h")
    line.values((0, 1), (1, 1), (50, 1), (100, 1), (101, 1))
    line.end(1000)
    assert told(line.made) == [("opened", 11), ("closed", 60), ("opened", 111)]


def test_a_session_names_its_stretch_as_evidence() -> None:
    """From the first event to the session's end."""
    line = Timeline(SESSION)
    line.values((3, 1), (4, 1), (100, 1))
    line.end(100)
    evidence = line.made[0].evidence
    assert (evidence.from_, evidence.to) == ("2026-01-01T00:00:03.000Z", "2026-01-01T00:00:14.000Z")


def test_keys_have_their_own_sessions() -> None:
    """What one key sends does not prolong another's session."""
    line = Timeline(SESSION)
    line.values((0, 1), (1, 1), subject="a")
    line.values((5, 1), (9, 1), subject="b")
    line.end(100)
    assert [(t.key["subject"], *told([t])[0]) for t in line.made if t.type == "opened"] == [
        ("a", "opened", 11),
        ("b", "opened", 19),
    ]


def test_late_events_join_no_session() -> None:
    """They are counted, and seen by rules of kind each only."""
    line = Timeline(SESSION)
    line.values((0, 1), (100, 1), (1, 1))
    line.end(200)
    assert line.made == []
