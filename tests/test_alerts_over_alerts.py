"""Alerts that stand on other alerts, and storms: over the API and on the board."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.served import Served, serving, wall_ms

RULES = """
rules:
  - id: t.ph
    title: {zh: 酸碱度过高, en: pH too high}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: {red: value > 12, orange: true}
    summary: {zh: "{subject} pH {value:.1f}", en: "{subject} pH {value:.1f}"}
  - id: t.trial
    title: {zh: 试运行, en: On trial}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: blue
    enabled: shadow
  - id: t.wave
    title: {zh: 同区多发, en: Several in one region}
    domain: governance
    feed: alert
    where: type = 'opened' AND domain = 'environment'
    by: [region]
    window: {sliding: 1h}
    measure: {n: count(*)}
    when: n >= 3
    severity: red
    summary: {zh: "{region} 一小时内 {n} 条预警", en: "{n} alerts in {region} within an hour"}
  - id: t.unacked
    title: {zh: 红色预警, en: Red}
    domain: governance
    feed: alert
    by: [alert]
    where: rule = 't.ph'
    when: rank = 4
    severity: orange
  - id: t.flood
    title: {zh: 断续, en: Flood}
    domain: environment
    feed: sensor
    where: metric = 'flood'
    when: value > 0
    severity: yellow
    max_open: 2
    summary: {zh: "{subject}", en: "{subject}"}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("over"), rules=RULES) as running:
        yield running


def alert_of(served: Served, **wanted: str) -> dict[str, Any]:
    found = served.until(lambda: served.client.get("/api/v1/alerts", params=wanted).json()["items"])
    return dict(served.client.get(f"/api/v1/alerts/{found[0]['alert']}").json())


def test_the_evidence_is_the_alerts(served: Served) -> None:
    """The transitions of its key and time that the rule saw: others' alerts, none on trial, none of another region."""
    then_ms = wall_ms() - 20_000
    ids = {served.alarm(f"云岭磷化工 DW00{n}", 9.5, region="530181", time=then_ms + n) for n in range(3)}
    served.alarm("滇池泵站", 9.5, region="530102", time=then_ms)
    served.post(served.event())  # time has passed: what came before is judged
    wave = alert_of(served, rule="t.wave")
    assert wave["evidence"]["feed"] == "alert"
    served.until(lambda: len(alert_of(served, rule="t.wave")["events"]) == 3)
    events = alert_of(served, rule="t.wave")["events"]
    assert {event["alert"] for event in events} == ids
    assert {event["id"] for event in events} == {f"{alert}/1" for alert in ids}
    assert {(event["feed"], event["rule"], event["type"], event["severity"]) for event in events} == {
        ("alert", "t.ph", "opened", "orange")
    }
    assert events[0]["title"]["zh"] == "酸碱度过高"
    assert [event["time"] for event in events] == sorted((event["time"] for event in events), reverse=True)
    assert served.client.get(f"/api/v1/alerts/{wave['alert']}/series").json()["points"] == []


def test_what_is_named_comes_even_where_it_is_another_step(served: Served) -> None:
    """A rule of kind each names the one transition that it judged."""
    red = served.alarm("红色企业", 12.5, region="530300")
    over = alert_of(served, rule="t.unacked")
    assert over["evidence"]["events"] == [f"{red}/1"]
    served.until(lambda: [e["id"] for e in alert_of(served, rule="t.unacked")["events"]] == [f"{red}/1"])


def test_a_storm_can_be_opened_like_any_alert(served: Served) -> None:
    """With what it counts, a list of what it is about, and a series of counts."""
    for n in range(6):
        served.post(served.event(subject=f"泵{n}", metric="flood", value=1.0))
    storm = served.until(
        lambda: next(
            (
                one
                for one in served.client.get("/api/v1/alerts", params={"rule": "t.flood"}).json()["items"]
                if "storm" in one["key"] and one["count"] >= 1
            ),
            None,
        )
    )
    assert storm["key"] == {"storm": "t.flood"}
    assert storm["measures"]["keys"]
    served.until(lambda: served.client.get(f"/api/v1/alerts/{storm['alert']}").json()["events"])
    assert served.client.get(f"/api/v1/alerts/{storm['alert']}/series").json()["kind"] == "count"
    assert served.client.get("/api/v1/alerts", params={"rule": "t.flood"}, headers={"Accept": "text/csv"}).text
