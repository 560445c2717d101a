"""The live state: current alerts, repeats dropped, bounds kept."""

from __future__ import annotations

import random
import threading
from typing import Any

import msgspec
import pytest

from events.transition import Evidence, Transition, at
from sinks.filters import UNRESOLVED, Filter, FilterError
from sinks.live.memory import Live

START_MS = 1_767_571_200_000


def alert(number: int, n: int = 1, severity: str = "red", state: str = "open", **changes: Any) -> Transition:
    made = Transition(
        seq=number * 10 + n,
        alert=f"{number:016x}",
        n=n,
        type="opened" if n == 1 else "updated",
        at=at(START_MS + number),
        rule=f"r{number % 3}",
        version="v",
        domain="environment" if number % 2 else "market",
        severity=severity,
        key={"subject": f"S{number}"},
        region=f"53{number % 16:02d}02",
        subject=f"S{number}",
        evidence=Evidence("sensor", {}, "", ""),
        title={"zh": "超标", "en": "Above"},
        summary={"zh": "超标", "en": "Above"},
        state=state,  # type: ignore[arg-type]
        opened_at=at(START_MS + number),
    )
    return msgspec.structs.replace(made, **changes)


def subjects(live: Live, wanted: Filter | None = None) -> list[str]:
    return [one.subject or "" for one in live.alerts(wanted).items]


def test_an_alert_is_its_newest_transition() -> None:
    """Later ones replace it, and take their new place in the list when the colour rises."""
    live = Live()
    live.apply([alert(1, severity="blue"), alert(2, severity="orange")])
    assert subjects(live) == ["S2", "S1"]
    live.apply([alert(1, 2, severity="red")])
    assert subjects(live) == ["S1", "S2"]
    found = live.get(f"{1:016x}")
    assert found is not None
    assert (found.n, found.severity) == (2, "red")
    assert live.get("none") is None
    assert live.newest_seq == 20 + 1


def test_a_repeated_transition_is_dropped() -> None:
    """By (alert, n), whatever seq it comes with; apply returns what was new."""
    live = Live()
    first, second = alert(1), alert(1, 2, state="acked")
    assert live.apply([first, second, first, second]) == [first, second]
    again = msgspec.structs.replace(second, seq=99)
    assert live.apply([again]) == []
    assert live.newest_seq == 99
    assert len(live) == 1
    assert live.counts().state == {"acked": 1}


def test_pages_hold_each_alert_once() -> None:
    """Reddest first, newest first within a colour; cursors go on behind the last one seen."""
    live = Live()
    made = [alert(n, severity=("red", "orange", "yellow", "blue")[n % 4]) for n in range(50)]
    draw = random.Random(3)
    draw.shuffle(made)
    live.apply(made)
    wanted = [one.subject for one in sorted(made, key=lambda one: ("royb".index(one.severity[0]), -one.seq))]
    got: list[str | None] = []
    cursor = None
    while True:
        page = live.alerts(Filter(limit=7, cursor=cursor))
        got += [one.subject for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert got == wanted
    assert [one.subject for one in live] == wanted
    with pytest.raises(FilterError):
        live.alerts(Filter(cursor="xx"))


def test_a_page_goes_on_though_its_last_alert_has_moved() -> None:
    """The cursor names a place, not a row."""
    live = Live()
    live.apply([alert(n, severity="yellow") for n in range(6)])
    page = live.alerts(Filter(limit=3))
    live.apply([alert(3, 2, severity="red")])
    rest = live.alerts(Filter(limit=3, cursor=page.next))
    assert [one.subject for one in rest.items] == ["S2", "S1", "S0"]


def test_counts_are_those_of_the_list() -> None:
    """However alerts came, moved and went: the counters agree with counting what is there."""
    live = Live(max_unresolved=30, max_resolved=10)
    draw = random.Random(11)
    ns = dict.fromkeys(range(80), 0)
    for _ in range(1500):
        number = draw.randrange(80)
        ns[number] += 1
        state = draw.choice(["open", "acked", "assigned", "resolved"])
        live.apply([alert(number, ns[number], draw.choice(["red", "orange", "yellow", "blue"]), state)])
    everything = list(live)
    assert len(everything) == len(live) <= 40
    for wanted in (
        Filter(),
        Filter(state=UNRESOLVED),
        Filter(domain="market"),
        Filter(rule="r1"),
        Filter(region="5304"),
    ):
        counts = live.counts(wanted)
        admitted = live.alerts(Filter(**{**vars(wanted), "limit": 1000})).items
        assert counts.total == len(admitted)
        assert (
            sum(counts.severity.values()) == sum(counts.state.values()) == sum(counts.domain.values()) == counts.total
        )
        assert sum(sum(found.values()) for found in counts.region.values()) == counts.total
        assert counts.severity.get("red", 0) == sum(one.severity == "red" for one in admitted)


def test_regions_are_cut_to_the_digits_asked_for() -> None:
    """An alert without a region counts under the empty one."""
    live = Live()
    live.apply([alert(1), alert(2, severity="blue"), alert(3, region=None)])
    assert live.counts(region_digits=2).region == {"": {"red": 1}, "53": {"red": 1, "blue": 1}}
    assert live.counts(region_digits=4).region == {"": {"red": 1}, "5301": {"red": 1}, "5302": {"blue": 1}}


def test_too_many_unresolved_alerts_let_the_palest_and_oldest_go() -> None:
    """They are counted; red ones stay."""
    live = Live(max_unresolved=2)
    live.apply(
        [alert(1, severity="red"), alert(2, severity="blue"), alert(3, severity="blue"), alert(4, severity="yellow")]
    )
    assert subjects(live) == ["S1", "S4"]
    assert live.let_go == 2


def test_the_longest_resolved_go_first_and_do_not_come_back() -> None:
    """A repeat of an alert that was let go is known as such; a person's reopening brings it back."""
    live = Live(max_resolved=1)
    live.apply([alert(1), alert(2), alert(1, 2, state="resolved"), alert(2, 2, state="resolved")])
    assert subjects(live) == ["S2"]
    assert live.apply([alert(1), alert(1, 2, state="resolved")]) == []
    assert live.apply([alert(1, 3, state="open")]) != []
    assert subjects(live) == ["S2", "S1"]


def test_shadow_alerts_are_apart() -> None:
    """Neither listed nor counted unless asked for."""
    live = Live()
    live.apply([alert(1), alert(2, shadow=True)])
    assert subjects(live) == ["S1"]
    assert live.counts().total == 1
    assert live.counts(Filter(shadow=True)).total == 2


def test_readers_may_ask_while_transitions_come_in() -> None:
    """No list is torn, whatever the moment."""
    live = Live(max_unresolved=200, max_resolved=50)
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                page = live.alerts(Filter(limit=50))
                assert len({one.alert for one in page.items}) == len(page.items)
                assert live.counts().total <= 250
        except BaseException as error:  # the test reports it
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    draw = random.Random(5)
    for n in range(1, 8):
        live.apply(alert(k, n, draw.choice(["red", "blue"]), draw.choice(["open", "resolved"])) for k in range(300))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
