"""Lists, one alert, its series, acts, the summary, the trend, errors, and the description of it all."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.routing import Mount, Route, WebSocketRoute

from events.times import parse_instant
from tests.served import Served, serving, wall_ms


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("api")) as served:
        now_ms = wall_ms()
        values = [7.0, 8.0, 9.5, 10.0, 12.5]
        for number, value in enumerate(values):
            reading = served.event(
                id=f"r{number}", subject="站甲", value=value, time=now_ms - 60_000 + number, limit=9.0
            )
            assert served.post({**reading, "unit": "pH", "note": "=1+1"}).json()["accepted"] == 1
        served.alarm("站乙", 9.1, region="530300")
        served.post(served.event(feed="complaint", category="食品安全", region="530102", subject="店一", text="吃坏了"))
        served.post(served.event(id="bad", value="high"))
        served.stored()
        served.until(lambda: get(served, "/api/v1/alerts?rule=t.food")["items"])
        yield served


def get(served: Served, path: str, **headers: str) -> Any:
    answer = served.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def alert_of(served: Served, subject: str) -> dict[str, Any]:
    return dict(get(served, f"/api/v1/alerts?subject={subject}&rule=t.ph")["items"][0])


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    return dict(body)


# --- lists


def test_alerts_are_their_newest_transitions_red_first(served: Served) -> None:
    """Red before orange before yellow; shadow alerts only where asked for."""
    items = get(served, "/api/v1/alerts")["items"]
    assert [(a["rule"], a["severity"]) for a in items] == [("t.ph", "red"), ("t.ph", "orange"), ("t.food", "yellow")]
    red = items[0]
    assert (red["type"], red["state"], red["condition"], red["subject"]) == ("escalated", "open", "active", "站甲")
    assert red["n"] == 2
    assert red["closed_at"] is None
    assert parse_instant(red["opened_at"]) < parse_instant(red["at"])
    assert "t.shadow" in {a["rule"] for a in get(served, "/api/v1/alerts?shadow=1")["items"]}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("severity=red", 1),
        ("severity=red,orange", 2),
        ("severity=red&severity=orange", 2),
        ("region=5301", 2),
        ("region=53", 3),
        ("region=44", 0),
        ("domain=market", 1),
        ("rule=t.ph", 2),
        ("subject=站乙", 1),
        ("feed=complaint", 1),
        ("state=open", 3),
        ("state=resolved", 0),
        ("state=unresolved", 3),
        ("from=2020-01-01T00:00:00Z", 3),
        ("to=2020-01-01T00:00:00Z", 0),
    ],
)
def test_filters(served: Served, query: str, count: int) -> None:
    """Each narrows the list by itself."""
    assert len(get(served, f"/api/v1/alerts?{query}")["items"]) == count


def test_pages(served: Served) -> None:
    """Page by page one sees what one page shows."""
    for path in ("/api/v1/alerts?shadow=1", "/api/v1/events?", "/api/v1/rules?", "/api/v1/feeds?"):
        whole = get(served, path)["items"]
        found, cursor = [], ""
        while True:
            page = get(served, f"{path}&limit=2{cursor}")
            found += page["items"]
            assert len(page["items"]) <= 2
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        # What was heard of a feed moves on meanwhile.
        assert [item.get("name", item) for item in found] == [item.get("name", item) for item in whole]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "severity=pink",
        "state=done",
        "from=yesterday",
        "from=2026-01-01T00:00:00",
        "from=2&to=1",
        "cursor=AAAA",
        "cursor=%00",
        "nope=1",
        "format=xml",
        "subject=" + "x" * 600,
    ],
)
@pytest.mark.parametrize("path", ["alerts", "events"])
def test_what_cannot_be_asked_is_400(served: Served, path: str, query: str) -> None:
    """And the parameter is named."""
    body = problem(served.client.get(f"/api/v1/{path}?{query}"), 400)
    assert query.partition("=")[0] in body["detail"]


def test_events_come_as_they_came(served: Served) -> None:
    """Newest first, undeclared fields too."""
    items = get(served, "/api/v1/events?subject=站甲")["items"]
    assert [event["id"] for event in items] == ["r4", "r3", "r2", "r1", "r0"]
    assert items[0]["note"] == "=1+1"
    assert items[0]["value"] == 12.5
    problem(served.client.get("/api/v1/events?severity=red"), 400)


def test_hostile_text_is_only_text(served: Served) -> None:
    """Quotes and comments in parameters find nothing and break nothing."""
    for text in ("' OR 1=1 --", "'; DROP TABLE events; --", "{p0:String}", "\\", "%"):
        answer = served.client.get("/api/v1/events", params={"subject": text, "region": text, "feed": text})
        assert answer.json()["items"] == []
        assert served.client.get("/api/v1/alerts", params={"rule": text}).json()["items"] == []
        assert served.client.get(f"/api/v1/alerts/{text}").status_code == 404
    assert get(served, "/api/v1/events?subject=站甲")["items"]


def test_dead_letters_keep_bytes_and_reason(served: Served) -> None:
    """What was refused can be found again."""
    served.until(lambda: get(served, "/api/v1/dead-letters")["items"])
    (letter,) = get(served, "/api/v1/dead-letters")["items"]
    assert letter["reason"] == "wrong_type"
    assert json.loads(letter["raw"])["id"] == "bad"


def test_csv(served: Served) -> None:
    """By Accept plain; by format= for a spreadsheet, where formulas are disarmed."""
    answer = served.client.get("/api/v1/events?subject=站甲&limit=2", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["id"] for row in rows] == ["r4", "r3"]
    assert rows[0]["note"] == "=1+1"
    assert 'rel="next"' in answer.headers["link"]
    following = re.match(r"<(.*)>", answer.headers["link"])
    assert following
    more = served.client.get(following[1], headers={"Accept": "text/csv"})
    assert [row["id"] for row in csv.DictReader(io.StringIO(more.text))] == ["r2", "r1"]
    sheet = served.client.get("/api/v1/events?subject=站甲&format=csv")
    assert sheet.content.startswith(b"\xef\xbb\xbf")
    assert "attachment" in sheet.headers["content-disposition"]
    assert next(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))["note"] == "'=1+1"


def test_parquet(served: Served) -> None:
    """Typed columns, titles in two."""
    answer = served.client.get("/api/v1/alerts", headers={"Accept": "application/vnd.apache.parquet"})
    frame = pl.read_parquet(io.BytesIO(answer.content))
    assert frame["severity"].to_list() == ["red", "orange", "yellow"]
    assert frame.schema["n"] == pl.Int64
    assert frame["title_zh"][0] == "酸碱度过高"
    assert json.loads(frame["key"][0]) == {"subject": "站甲"}


@pytest.mark.parametrize(
    ("path", "column"), [("alerts", "alert"), ("events", "id"), ("rules", "id"), ("feeds", "name")]
)
def test_a_table_without_rows_has_a_head(served: Served, path: str, column: str) -> None:
    """An export that finds nothing is an empty table, not an empty file."""
    query = f"/api/v1/{path}?domain=nowhere"
    rows = csv.DictReader(io.StringIO(served.client.get(query, headers={"Accept": "text/csv"}).text))
    assert column in (rows.fieldnames or [])
    assert list(rows) == []
    answer = served.client.get(query, headers={"Accept": "application/vnd.apache.parquet"})
    frame = pl.read_parquet(io.BytesIO(answer.content))
    assert column in frame.columns
    assert len(frame) == 0


def test_accept(served: Served) -> None:
    """The best that can be given; 406 where nothing can."""
    for accept, media_type in (
        ("*/*", "application/json"),
        ("text/html, application/json;q=0.9, */*;q=0.1", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("application/json;q=0, text/csv", "text/csv"),
    ):
        answer = served.client.get("/api/v1/alerts", headers={"Accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == media_type
    problem(served.client.get("/api/v1/alerts", headers={"Accept": "image/png"}), 406)


def test_a_rule_explains_itself(served: Served) -> None:
    """One rule as the list shows it, with what it does in both languages; an id that is none is a 404."""
    rule = get(served, "/api/v1/rules/t.ph")
    listed = get(served, "/api/v1/rules?rule=t.ph")["items"][0]
    assert {name: value for name, value in rule.items() if name != "explanation"} == listed
    assert rule["explanation"].keys() == {"zh", "en"}
    opening = {
        language: next(section for section in sections if section["name"] == "opening")["lines"]
        for language, sections in rule["explanation"].items()
    }
    assert opening["zh"] == [{"text": "当监测值超过 9 时。", "items": []}]
    assert opening["en"] == [{"text": "When the value is above 9.", "items": []}]
    problem(served.client.get("/api/v1/rules/t.nothing"), 404)


def test_rules_and_feeds(served: Served) -> None:
    """What is in force, in words that the board can show."""
    rules = get(served, "/api/v1/rules")["items"]
    assert [rule["id"] for rule in rules] == ["t.food", "t.ph", "t.shadow"]
    assert rules[1]["severity"] == [{"severity": "red", "when": "value > 12"}, {"severity": "orange", "when": None}]
    assert rules[2]["mode"] == "shadow"
    assert [rule["id"] for rule in get(served, "/api/v1/rules?domain=market")["items"]] == ["t.food"]
    feeds = {feed["name"]: feed for feed in get(served, "/api/v1/feeds")["items"]}
    assert {"sensor", "complaint", "inspection", "opinion"} <= feeds.keys()
    assert feeds["sensor"]["accepted"] >= 6
    assert feeds["sensor"]["title"]["zh"]
    assert any(field["name"] == "value" and field["type"] == "number" for field in feeds["sensor"]["fields"])


def test_a_subject(served: Served) -> None:
    """Its alerts and events together; 404 for one never heard of."""
    known = get(served, "/api/v1/subjects/站甲")
    assert known["feeds"] == {"sensor": 5}
    assert [alert["rule"] for alert in known["alerts"]] == ["t.ph"]
    assert len(known["events"]) == 5
    problem(served.client.get("/api/v1/subjects/nobody"), 404)


# --- one alert


def test_an_alert_with_history_and_evidence(served: Served) -> None:
    """From the alert back to each transition and the events themselves."""
    alert = alert_of(served, "站甲")
    detail = get(served, f"/api/v1/alerts/{alert['alert']}")
    assert {name: detail[name] for name in alert} == alert
    assert [t["type"] for t in detail["history"]] == ["opened", "escalated"]
    assert [t["n"] for t in detail["history"]] == [1, 2]
    assert set(alert["evidence"]["events"]) <= {event["id"] for event in detail["events"]}
    assert "events_error" not in detail


def test_an_alert_that_just_opened_has_its_event(served: Served) -> None:
    """The store lags a little behind the board; who looks at once sees the trail and the trigger all the same."""
    detail = get(served, f"/api/v1/alerts/{served.alarm('just-now')}")
    assert [t["type"] for t in detail["history"]] == ["opened"]
    assert [event["subject"] for event in detail["events"]] == ["just-now"]


def test_an_unknown_alert_is_404(served: Served) -> None:
    """In each of its calls."""
    for path in ("", "/series"):
        problem(served.client.get(f"/api/v1/alerts/0123456789abcdef{path}"), 404)
    problem(served.client.post("/api/v1/alerts/0123456789abcdef/ack"), 404)


def test_the_series_around_an_alert(served: Served) -> None:
    """Every reading of the key with the limit, the marks and the unit."""
    alert = alert_of(served, "站甲")
    series = get(served, f"/api/v1/alerts/{alert['alert']}/series")
    assert (series["kind"], series["field"], series["unit"], series["bucket_s"]) == ("value", "value", "pH", 0)
    assert [value for _, value in series["points"]] == [7.0, 8.0, 9.5, 10.0, 12.5]
    assert series["limit"] == 9.0
    assert [mark["type"] for mark in series["marks"]] == ["opened", "escalated"]
    assert parse_instant(series["from"]) < parse_instant(series["opened_at"]) < parse_instant(series["to"])
    part = get(served, f"/api/v1/alerts/{alert['alert']}/series?from={series['points'][2][0].replace('+', '%2B')}")
    assert [value for _, value in part["points"]] == [9.5, 10.0, 12.5]
    problem(served.client.get(f"/api/v1/alerts/{alert['alert']}/series?from=2&to=1"), 400)


def test_the_series_of_a_feed_without_numbers_counts(served: Served) -> None:
    """Complaints in buckets."""
    (alert,) = get(served, "/api/v1/alerts?rule=t.food")["items"]
    series = get(served, f"/api/v1/alerts/{alert['alert']}/series")
    assert (series["kind"], series["field"]) == ("count", None)
    assert series["bucket_s"] > 0
    assert sum(value for _, value in series["points"]) == 1


# --- acts


def act(served: Served, alert: str, verb: str, **body: object) -> Any:
    return served.client.post(f"/api/v1/alerts/{alert}/{verb}", json=body)


def test_the_life_of_an_alert(served: Served) -> None:
    """ack, assign, note, resolve, reopen: each answers with the alert as it then is, and the list shows it at once."""
    alert = served.alarm("life")
    steps: list[tuple[str, dict[str, object], str]] = [
        ("ack", {}, "acked"),
        ("assign", {"to": "李四", "note": "请核实"}, "assigned"),
        ("note", {"note": "已到现场"}, "assigned"),
        ("resolve", {"note": "整改完成"}, "resolved"),
        ("reopen", {}, "open"),
    ]
    for number, (verb, body, state) in enumerate(steps, 2):
        answer = act(served, alert, verb, **body)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert (made["state"], made["n"], made["by"]) == (state, number, "admin")
        assert made["note"] == body.get("note")
        assert made["to"] == (None if verb == "ack" else "李四"), "whom it was assigned to stays with it"
        assert get(served, "/api/v1/alerts?subject=life&rule=t.ph")["items"][0]["n"] == number
    assert [t["type"] for t in get(served, f"/api/v1/alerts/{alert}")["history"]] == [
        "opened",
        "acked",
        "assigned",
        "noted",
        "resolved",
        "reopened",
    ]


def test_what_a_state_does_not_allow_is_409(served: Served) -> None:
    """With the reason and the state."""
    alert = served.alarm("conflict")
    assert act(served, alert, "ack").status_code == 200
    body = problem(act(served, alert, "ack"), 409)
    assert "acked" in body["detail"]
    assert body["state"] == "acked"
    problem(act(served, alert, "reopen"), 409)
    assert act(served, alert, "resolve").status_code == 200
    for verb, sent in (("ack", {}), ("assign", {"to": "x"}), ("resolve", {})):
        problem(act(served, alert, verb, **sent), 409)
    assert act(served, alert, "note", note="n").status_code == 200


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("assign", b"{}"),
        ("assign", b'{"to": "  "}'),
        ("note", b"{}"),
        ("ack", b'{"to": "x"}'),
        ("ack", b'{"note": 5}'),
        ("ack", b'{"nope": 1}'),
        ("ack", b"[]"),
        ("ack", b"{"),
        ("ack", b"\xff"),
        ("note", b'{"note": "' + b"x" * 5_000 + b'"}'),
    ],
)
def test_an_act_that_says_too_little_or_too_much_is_400(served: Served, verb: str, body: bytes) -> None:
    """And nothing happens to the alert."""
    alert = alert_of(served, "站乙")
    problem(served.client.post(f"/api/v1/alerts/{alert['alert']}/{verb}", content=body), 400)
    assert alert_of(served, "站乙") == alert


def test_the_schema_of_rules(served: Served) -> None:
    """With a token or its own key; whoever has it already is told so; a changed token ends the key."""
    path = "/api/v1/rules/schema"
    answer = served.client.get(path)
    assert answer.headers["content-type"] == "application/schema+json"
    assert "sensor" in answer.json()["$defs"]["feed"]["anyOf"][0]["enum"]
    etag = answer.headers["etag"]
    again = served.client.get(path, headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    key = served.auth.token.schema_key
    with httpx.Client(base_url=served.url) as editor:
        problem(editor.get(path), 401)
        problem(editor.get(path, params={"key": key[:-1]}), 401)
        assert editor.get(path, params={"key": key}).json() == answer.json()
        problem(editor.get("/api/v1/rules", params={"key": key}), 401)


def test_reload(served: Served) -> None:
    """Faults are told and change nothing; corrected rules count at once."""
    file = served.system.rules_directory / "rules.yaml"
    good = file.read_text(encoding="utf-8")
    try:
        file.write_text(good.replace("value > 9\n", "valeu > 9\n"), encoding="utf-8")
        body = problem(served.client.post("/api/v1/rules/reload"), 409)
        assert "valeu" in body["detail"]
        assert get(served, "/api/v1/board/summary")["rules"]["count"] == 2
        served.until(lambda: get(served, "/api/v1/board/summary")["rules"]["refused"])
        assert get(served, "/readyz")["ready"]
    finally:
        file.write_text(good, encoding="utf-8")
    assert served.client.post("/api/v1/rules/reload").status_code == 200
    served.until(lambda: get(served, "/api/v1/board/summary")["rules"]["refused"] is None)


# --- the board


def test_the_summary(served: Served) -> None:
    """Counts that agree with the lists, and a heartbeat that says all is well."""
    summary = served.until(
        lambda: (
            (found := get(served, "/api/v1/board/summary"))["engine"]["lag"] == 0 and found["health"] == "ok" and found
        )
    )
    alerts = get(served, "/api/v1/alerts?limit=1000")["items"]
    standing = [alert for alert in alerts if alert["state"] != "resolved"]
    counts = summary["alerts"]
    assert counts["unresolved"] == len(standing) == sum(counts["severity"].values())
    assert sum(counts["state"].values()) == len(alerts)
    assert counts["unacknowledged"] == sum(alert["state"] == "open" for alert in standing)
    assert sum(domain["total"] for domain in counts["domain"]) == len(standing)
    assert {item["region"] for item in counts["region"]} == {alert["region"][:4] for alert in standing}
    assert counts["region"][0]["red"] >= 1
    assert summary["seq"] == served.system.transition_log.newest
    assert summary["problems"] == []
    assert summary["engine"]["running"]
    assert {sink["name"] for sink in summary["sinks"]} >= {"live"}
    assert summary["feeds"][0]["newest_receipt"]
    assert (summary["rules"]["count"], summary["rules"]["shadow"]) == (2, 1)
    six = get(served, "/api/v1/board/summary?digits=6&domain=market")["alerts"]
    assert [item["region"] for item in six["region"]] == ["530102"]
    problem(served.client.get("/api/v1/board/summary?digits=5"), 400)


def test_the_trend(served: Served) -> None:
    """Every bucket is there, and together they hold what the list holds."""
    to_ms = wall_ms() + 60_000
    query = f"from={to_ms - 7_200_000}&to={to_ms}"
    served.stored()
    trend = get(served, f"/api/v1/trend?bucket=10m&{query}")
    starts = [parse_instant(item["at"]) for item in trend["items"]]
    assert all(start % 600_000 == 0 for start in starts)
    assert [b - a for a, b in pairwise(starts)] == [600_000] * (len(starts) - 1)
    assert starts[0] <= to_ms - 7_200_000 < starts[0] + 600_000
    assert starts[-1] < to_ms <= starts[-1] + 600_000
    assert sum(item["total"] for item in trend["items"]) == len(
        get(served, f"/api/v1/alerts?limit=1000&{query}")["items"]
    )
    days = get(served, "/api/v1/trend?bucket=1d&from=2026-01-01T00:00:00%2B08:00&to=2026-01-04T00:00:00%2B08:00")
    assert [item["at"] for item in days["items"]] == [
        "2025-12-31T16:00:00.000Z",
        "2026-01-01T16:00:00.000Z",
        "2026-01-02T16:00:00.000Z",
    ]
    for bad in ("bucket=1s", "bucket=x", "bucket=1m&from=0", "from=2&to=1"):
        problem(served.client.get(f"/api/v1/trend?{bad}"), 400)


# --- the rest


def test_health(served: Served) -> None:
    """Without a token, and without telling strangers more than needs be."""
    import httpx

    assert httpx.get(f"{served.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{served.url}/readyz").json()["ready"] is True


def test_metrics_are_openmetrics(served: Served) -> None:
    """The official parser reads them, and requests are counted by route, never by path."""
    get(served, "/api/v1/alerts")
    served.client.get("/api/v1/alerts/0123456789abcdef")
    answer = served.client.get("/metrics")
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    parsed = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    routes = {sample.labels.get("route") for sample in families["fengsui_http_requests"].samples}
    assert {"/alerts", "/alerts/{id}"} <= routes
    assert "fengsui_events" in families


def test_unknown_paths_and_methods_are_problems(served: Served) -> None:
    """404 and 405 in the same form as everything else."""
    problem(served.client.get("/api/v1/nothing"), 404)
    problem(served.client.get("/no/such/file.js"), 404)
    answer = served.client.delete("/api/v1/alerts")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    problem(served.client.get("/api/v1/session"), 405)


def test_a_fault_of_ours_is_a_500_that_tells_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace goes to the log, not to the client."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(served.system.live, "alerts", broken)
    body = problem(served.client.get("/api/v1/alerts"), 500)
    assert "secret" not in json.dumps(body)


def test_the_description_and_the_routes_agree(served: Served) -> None:
    """Every route with every method is described, and nothing else."""
    described = {
        (path, method.upper()) for path, item in get(served, "/api/v1/openapi.json")["paths"].items() for method in item
    }
    built: set[tuple[str, str]] = set()
    for route in served.app.routes:
        inner = route.routes if isinstance(route, Mount) else [route]
        prefix = route.path if isinstance(route, Mount) else ""
        for one in inner:
            path = prefix + str(getattr(one, "path", "")).replace(":path}", "}")
            if isinstance(one, WebSocketRoute):
                built.add((path, "GET"))
            elif isinstance(one, Route) and path != "/{path}":
                built |= {(path, method) for method in one.methods or () if method != "HEAD"}
    assert described == built


def test_answers_are_as_described(served: Served) -> None:
    """The fields of each answer are those of its schema."""
    description = get(served, "/api/v1/openapi.json")
    schemas = description["components"]["schemas"]
    alert = alert_of(served, "站甲")
    examples = {
        "Alert": alert,
        "Event": get(served, "/api/v1/events?feed=sensor&subject=站甲")["items"][0],
        "Feed": get(served, "/api/v1/feeds")["items"][0],
        "Me": get(served, "/api/v1/me"),
        "Rule": get(served, "/api/v1/rules")["items"][0],
        "Series": get(served, f"/api/v1/alerts/{alert['alert']}/series"),
        "Summary": get(served, "/api/v1/board/summary"),
        "Trend": get(served, "/api/v1/trend"),
        "Problem": served.client.get("/api/v1/nothing").json(),
        "DeadLetter": get(served, "/api/v1/dead-letters")["items"][0],
    }
    for name, example in examples.items():
        assert set(schemas[name].get("required", ())) <= example.keys(), name
        if name not in ("Event", "Rule", "Problem"):
            assert example.keys() <= schemas[name]["properties"].keys(), name
    for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(description)):
        assert reference in schemas


def test_every_call_stands_in_the_docs(served: Served) -> None:
    """docs/api.md names each path of the description."""
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    for path in get(served, "/api/v1/openapi.json")["paths"]:
        named = path in text or path.rpartition("/")[2] in re.findall(r"`/(\w+)`", text)
        assert named, path


def test_history_in_the_order_of_the_log(served: Served) -> None:
    """Pages of one feed with the log's clock, their openings and the rules then in force; refused where it cannot be used."""
    client = served.client

    def frame(path: str, **wanted: Any) -> tuple[pl.DataFrame, int]:
        answer = client.get(f"/api/v1/history{path}", params=wanted)
        assert answer.status_code == 200, answer.text
        return pl.read_ipc_stream(io.BytesIO(answer.content)), int(answer.headers.get("Fengsui-Next", 0))

    served.alarm("历史甲", 9.5)
    served.alarm("历史乙", 13.0)
    served.until(lambda: frame("/openings", rule="t.ph")[0]["subject"].str.starts_with("历史").sum() == 2)
    outline = get(served, "/api/v1/history/outline?feed=sensor")
    assert 0 < outline["first"] <= outline["last"] <= outline["newest"]
    assert outline["activations"]
    seen: list[int] = []
    after = 0
    while after < outline["newest"]:
        page, following = frame("", feed="sensor", after=after, span=50, rows=3)
        assert len(page) <= 3
        assert following > after
        seen += page["pos"].to_list()
        after = following
    assert seen == sorted(set(seen))
    whole, _ = frame("", feed="sensor", after=0, span=1_000_000, rows=100_000)
    assert whole["pos"].to_list()[: len(seen)] == seen
    assert (whole["clock_ms"].diff().drop_nulls() >= 0).all()
    assert all('"feed":"sensor"' in raw.replace(" ", "") for raw in whole["raw"])
    openings, _ = frame("/openings", rule="t.ph")
    severities = dict(zip(openings["subject"], openings["peak"], strict=True))
    assert (severities["历史甲"], severities["历史乙"]) == ("orange", "red")
    bundle = get(served, f"/api/v1/history/rules?pos={outline['activations'][0]['pos']}")
    assert any("t.ph" in text for text in bundle["files"].values())
    for path, said in (
        ("", "feed"),
        ("?feed=sensor&rows=0", "rows"),
        ("?feed=sensor&before=soon", "before"),
        ("/openings", "rule"),
        ("/rules", "pos"),
    ):
        refused = client.get(f"/api/v1/history{path}")
        assert (refused.status_code, refused.json()["parameter"]) == (400, said)
    assert client.get("/api/v1/history/rules?pos=999999").status_code == 404
