"""Values not seen before, sentence by sentence, as timelines."""

from __future__ import annotations

from tests.timeline import Timeline, told

NEW = """
id: r
feed: sensor
new: [metric]
memory: 10s
severity: {red: value > 50, blue: true}
"""


def readings(*pairs: tuple[float, str | None], subject: str = "s", value: float = 1) -> list[dict[str, object]]:
    return [{"t": t, "metric": metric, "value": value, "subject": subject} for t, metric in pairs]


def test_a_value_not_seen_for_the_key_opens() -> None:
    """It opens at the event; the alert's key has the new fields too, and every new value opens an alert of its own."""
    line = Timeline(NEW)
    line.events(readings((0, "a"), (1, "b"), (2, "a")))
    line.events(readings((3, "a"), subject="other"))
    line.end()
    assert [(*told([t])[0], t.key) for t in line.made] == [
        ("opened", 0, {"subject": "s", "metric": "a"}),
        ("opened", 1, {"subject": "s", "metric": "b"}),
        ("opened", 3, {"subject": "other", "metric": "a"}),
    ]


def test_memory_is_counted_from_the_last_time_it_was_seen() -> None:
    """A value last seen exactly `memory` ago is known; a millisecond more, and it is new."""
    line = Timeline(NEW)
    line.events(readings((0, "a"), (6, "a"), (16, "a"), (26.001, "a")))
    line.end()
    assert told(line.made) == [("opened", 0), ("opened", 26.001)]


def test_nothing_opens_while_it_learns() -> None:
    """What is seen within `learn` after the rules came into force is known, and opens nothing; from then on new values open."""
    line = Timeline(NEW.replace("10s", "1h") + "learn: 5s")
    line.events(readings((0, "a"), (4.999, "b"), (5, "c"), (6, "b")))
    line.end()
    assert [(*told([t])[0], t.key["metric"]) for t in line.made] == [("opened", 5, "c")]


def test_learning_begins_with_the_activation() -> None:
    """A rule that comes into force later learns from then on."""
    line = Timeline(NEW + "learn: 5s")
    line.engine.begin(1_767_225_600_000 - 5_000)
    line.events(readings((0, "a")))
    line.end()
    assert told(line.made) == [("opened", 0)]


def test_no_rung_no_alert_but_seen() -> None:
    """Where no rung of the ladder holds nothing opens; the value is known all the same."""
    line = Timeline(NEW.replace("blue: true", "blue: value > 5"))
    line.events(readings((0, "a"), value=1))
    line.events(readings((1, "a"), (2, "b"), value=60))
    line.end()
    assert [(*told([t])[0], t.key["metric"], t.severity) for t in line.made] == [("opened", 2, "b", "red")]
    assert line.made[0].measures == {"value": 60}


def test_an_event_without_the_new_field_is_keyless() -> None:
    """A missing new field is as a missing `by` field."""
    line = Timeline(NEW.replace("metric", "unit"))
    line.values((0, 1), unit=None)
    line.end()
    assert line.made == []
    assert line.engine.keyless() == {"r": 1}


def test_new_values_are_judged_in_order_of_time() -> None:
    """The event that is earlier in time is the new one, whichever arrived first."""
    line = Timeline(NEW)
    line.events(readings((0, "b"), (3, "a"), (1, "a")))
    line.end()
    assert told(line.made) == [("opened", 0), ("opened", 1)]


def test_what_lies_before_the_rule_is_known() -> None:
    """An event older than the one with which the rules came into force opens nothing."""
    line = Timeline(NEW)
    line.events(readings((3, "a"), (1, "b"), (4, "b")))
    line.end()
    assert told(line.made) == [("opened", 3)]


def test_clear_after_closes_each_alert() -> None:
    """`clear_after` (default never) or a person closes it."""
    line = Timeline(NEW + "clear_after: 20s")
    line.events(readings((0, "a"), (1, "b"), (5, "a")))
    line.end(100)
    assert told(line.made) == [("opened", 0), ("opened", 1), ("closed", 20), ("closed", 21)]
