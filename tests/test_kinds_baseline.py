"""Baselines, sentence by sentence, as timelines."""

from __future__ import annotations

import pytest

from tests.timeline import Timeline, told

BASELINE = """
id: r
feed: sensor
window: {tumbling: 10s}
measure: {n: count(*)}
baseline: {last: 3, measure: {usual: avg(n), windows: count(n), most: max(n), oldest: first(n), newest: last(n)}}
when: n > usual
severity: red
"""


def counts(line: Timeline, *of: int) -> None:
    """So many events in each window of ten seconds, from the first on."""
    for number, count in enumerate(of):
        if count:
            line.values(*((10 * number + i * 0.1, 1.0) for i in range(count)))


def test_a_window_is_held_against_the_earlier_ones() -> None:
    """The last n windows of the same length, side by side; they are those of the same key."""
    line = Timeline(BASELINE)
    counts(line, 2, 4, 3, 5)
    line.end(40)
    assert told(line.made) == [("opened", 20), ("closed", 30), ("opened", 40)]
    assert line.made[-1].measures == {"n": 5, "usual": 3, "windows": 3, "most": 4, "oldest": 2, "newest": 3}


def test_windows_before_the_first_are_not_there() -> None:
    """In a key's first window there is nothing to hold it against: aggregates are null, and a null `when` does not hold."""
    line = Timeline(BASELINE.replace("n > usual", "windows = 0 AND usual IS NULL"))
    counts(line, 1, 1)
    line.end(20)
    assert told(line.made) == [("opened", 10), ("closed", 20)]


def test_a_window_without_events_counts_as_one_over_nothing() -> None:
    """Its count is 0; it is not evaluated itself."""
    line = Timeline(BASELINE)
    counts(line, 2, 0, 0, 1)
    line.end(40)
    assert told(line.made) == [("opened", 40)]
    assert line.made[0].measures["usual"] == pytest.approx(2 / 3)
    assert line.made[0].measures["windows"] == 3


def test_other_measures_of_an_empty_window_are_null() -> None:
    """Only counts are 0; what is null does not count."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {tumbling: 10s}\nmeasure: {m: avg(value)}\n"
        "baseline: {last: 3, measure: {known: count(m), windows: count(*), usual: median(m)}}\nwhen: windows = 3\nseverity: red"
    )
    line.values((0, 5), (30, 1))
    line.end(40)
    assert line.made[0].measures == {"m": 1, "known": 1, "windows": 3, "usual": 5}


def test_skip_passes_over_the_newest() -> None:
    """Windows that end at end - every * (skip + 1) and before."""
    line = Timeline(BASELINE.replace("last: 3", "last: 1, skip: 2"))
    counts(line, 1, 9, 9, 2)
    line.end(40)
    assert told(line.made) == [("opened", 40)]
    assert line.made[0].measures["newest"] == 1


def test_every_takes_windows_further_apart() -> None:
    """The same minute of earlier hours, the same hour of earlier days."""
    line = Timeline(BASELINE.replace("last: 3", "last: 2, every: 20s"))
    counts(line, 1, 9, 3, 9, 4)
    line.end(50)
    assert told(line.made)[-1] == ("opened", 50)
    assert {name: line.made[-1].measures[name] for name in ("oldest", "newest", "windows")} == {
        "oldest": 1,
        "newest": 3,
        "windows": 2,
    }


def test_a_later_baseline_reads_the_earlier_ones() -> None:
    """Plainly and in aggregates; they have no value for windows without events."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {tumbling: 10s}\nmeasure: {n: count(*)}\n"
        "baseline:\n  - {last: 1, measure: {rise: n - max(n)}}\n"
        '  - {last: 3, measure: {risen: "rise + coalesce(sum(rise), 0)", times: count(rise)}}\n'
        "when: times >= 0\nseverity: red\nupdate_every: 0s\nclear_after: 1h"
    )
    counts(line, 2, 5, 0, 1, 4)
    line.end(50)
    told_ = [(t.measures["rise"], t.measures["risen"], t.measures["times"]) for t in line.made]
    # 2 | 5: +3 | nothing | 1: +1 over nothing | 4: +3
    assert told_ == [(None, None, 0), (3, 3, 0), (1, 4, 1), (3, 7, 2)]


def test_ears_c2() -> None:
    """Seven days after two that are passed over, three standard deviations above their mean."""
    line = Timeline(
        "id: r\nfeed: complaint\nby: [category]\nwindow: {tumbling: 1d}\nmeasure: {n: count(*)}\n"
        "baseline: {last: 7, skip: 2, measure: {mean: avg(n), sd: stddev(n), days: count(n)}}\n"
        "when: days >= 5 AND n > mean + 3 * greatest(sd, 0.5)\nseverity: yellow"
    )
    day = 86_400
    for number, count in enumerate([3, 2, 4, 3, 3, 2, 4, 3, 3, 6]):
        line.events([{"t": number * day + i, "feed": "complaint", "category": "噪声"} for i in range(count)])
    line.end(11 * day)
    openings = [t for t in line.made if t.type == "opened"]
    # local days end at 16:00Z; 6 > 3 + 3 * 0.816 on the tenth day
    assert [told([t])[0][1] for t in openings] == [9 * day + 16 * 3600]
    assert openings[0].measures["mean"] == 3
    assert openings[0].measures["sd"] == pytest.approx((4 / 6) ** 0.5)


def test_keys_have_their_own_baselines() -> None:
    """Another key's windows are no measure for this one's."""
    line = Timeline(BASELINE)
    line.values((0, 1), (10, 1), (11, 1), subject="a")
    line.values((12, 1), subject="b")
    line.end(20)
    assert [(t.key["subject"], *told([t])[0]) for t in line.made] == [("a", "opened", 20)]
