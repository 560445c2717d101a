"""GET /alerts/{id}/series: the measure around an alert, for the chart beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.alerts import history, newest_of
from dashboards.server.answers import json_answer
from dashboards.server.auth import Principal
from dashboards.server.params import bad, filter_of
from dashboards.server.questions import ask
from dashboards.server.services import Services, services_of
from events.feeds import Feed
from events.times import format_ms, parse_instant
from events.transition import Transition
from rules.model import Rule

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_POINTS = 1_000
#: What led to an alert: so many windows, but an hour at least and a month at most.
WINDOWS_BEFORE = 12
MAX_SPAN_MS = 31 * DAY_MS
#: A count over time needs enough buckets to show a shape.
COUNT_BUCKETS = 60

_TEXT = re.compile(r"'(?:[^']|'')*'")
_EQUALS = re.compile(r"(?<![\w.])\"?([A-Za-z_]\w*)\"?\s*=\s*('(?:[^']|'')*')")
_NOT_PLAIN = re.compile(r"\b(or|not|case)\b", re.IGNORECASE)

Key = dict[str, str | float | int | bool]


async def show_series(request: Request) -> Response:
    principal: Principal = request.state.principal
    services, alert = services_of(request), request.path_params["id"]
    wanted = filter_of(request, principal)
    answer = await ask(lambda: _series(services, alert, principal, wanted.from_ms, wanted.to_ms))
    return json_answer(answer)


def _series(
    services: Services, alert: str, principal: Principal, from_ms: int | None, to_ms: int | None
) -> dict[str, Any]:
    trail, _ = history(services, alert)
    newest = newest_of(services, alert, trail, principal)
    rules = services.runner.ruleset
    rule = next((rule for rule in rules.rules if rule.id == newest.rule), None)
    feed = rules.catalog.feeds.get(newest.evidence.feed)
    opened_ms = parse_instant(newest.opened_at)
    end_ms = parse_instant(newest.closed_at) if newest.closed_at else max(services.clock(), opened_ms)
    from_ms = opened_ms - span_ms(rule) if from_ms is None else from_ms
    to_ms = max(end_ms, from_ms + 1) if to_ms is None else to_ms
    if from_ms >= to_ms:
        raise bad("from", "must be earlier than to")

    trigger = _trigger(services, newest)
    # A storm is about no one key: how many came says more than all their values in one line.
    name = None if "storm" in newest.key else value_field(rule, feed)
    key = narrowed(newest.evidence.key, rule, feed, trigger)
    found = services.store.series(
        newest.evidence.feed,
        key,
        name,
        from_ms,
        to_ms,
        limit_field="limit" if feed and "limit" in feed.fields else None,
        max_points=MAX_POINTS,
        bucket_ms=None if name else count_bucket_ms(from_ms, to_ms),
    )
    field = feed.fields.get(name) if feed and name else None
    unit = _unit(services, newest, key, from_ms, to_ms) if name == "value" and feed and "unit" in feed.fields else None
    limit = newest.measures.get("limit")
    return {
        "alert": alert,
        "from": format_ms(from_ms),
        "to": format_ms(to_ms),
        "opened_at": newest.opened_at,
        "closed_at": newest.closed_at,
        "kind": "value" if name else "count",
        "field": name,
        "title": dict(field.title) if field else (dict(feed.title) if feed else None),
        "unit": unit or (field.unit if field else ""),
        "bucket_s": found.bucket_ms / 1000,
        "points": [(format_ms(at_ms), value) for at_ms, value in found.points],
        "limit": limit if _is_number(limit) else found.limit,
        "measures": measures(trail, rule),
        "marks": [{"at": t.at, "type": t.type, "severity": t.severity} for t in trail if t.type != "updated"],
    }


def span_ms(rule: Rule | None) -> int:
    """How much of the past is shown before the opening."""
    sizes = (rule.window.size_ms if rule.window else None, rule.absent_ms, rule.within_ms) if rule else ()
    longest = max((size for size in sizes if size), default=0)
    return min(max(HOUR_MS, WINDOWS_BEFORE * longest), max(MAX_SPAN_MS, 2 * longest))


def count_bucket_ms(from_ms: int, to_ms: int) -> int:
    """A round bucket that gives about sixty of them."""
    wanted_ms = (to_ms - from_ms) / COUNT_BUCKETS
    rounds = (60_000, 300_000, 900_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, DAY_MS)
    return next((ms for ms in rounds if ms >= wanted_ms), DAY_MS)


def value_field(rule: Rule | None, feed: Feed | None) -> str | None:
    """The number that the rule judges by: an input of its measures, or of its condition; else the feed's ``value``."""
    if feed is None:
        return None
    numbers = {name for name, field in feed.fields.items() if field.type in ("number", "integer")} - {"limit"}
    if rule is not None and rule.kind == "window":
        inputs = [
            a.input.fields for m in rule.measures for a in m.aggregates if a.input is not None and a.op != "count"
        ]
        return next((name for fields in inputs for name in sorted(fields & numbers)), None)
    if rule is not None and rule.when is not None:
        judged = sorted(rule.when.fields & numbers)
        if judged:
            return "value" if "value" in judged else judged[0]
    return "value" if "value" in numbers else None


def narrowed(key: Mapping[str, Any], rule: Rule | None, feed: Feed | None, trigger: Mapping[str, Any]) -> Key:
    """The alert's key, and what else tells its events from others of the key: the rule's plain equalities, its metric."""
    made: Key = dict(key)
    where = rule.where.text if rule is not None and rule.where is not None and rule.kind != "sequence" else ""
    # Under OR or NOT an equality is not what holds for all of them.
    if not _NOT_PLAIN.search(_TEXT.sub("''", where)):
        for name, text in _EQUALS.findall(where):
            made.setdefault(name, text[1:-1].replace("''", "'"))
    metric = trigger.get("metric")
    if feed is not None and "metric" in feed.fields and isinstance(metric, str):
        made.setdefault("metric", metric)
    return made


def _trigger(services: Services, newest: Transition) -> Mapping[str, Any]:
    """The first of the events that the alert names; empty where it names none, or the store does not have it yet."""
    named = newest.evidence
    if not named.events:
        return {}
    from_ms, to_ms = parse_instant(named.from_), parse_instant(named.to or named.from_)
    found = services.store.evidence(named.feed, named.key, from_ms, to_ms, named.events[:1], limit=1)
    trigger: Mapping[str, Any] = next((event for event in found.items if event.get("id") == named.events[0]), {})
    return trigger


def _unit(services: Services, newest: Transition, key: Key, from_ms: int, to_ms: int) -> str | None:
    """The unit that the newest event in the range names."""
    found = services.store.evidence(newest.evidence.feed, key, from_ms, to_ms, limit=1)
    unit = found.items[0].get("unit") if found.items else None
    return unit if isinstance(unit, str) else None


def measures(trail: list[Transition], rule: Rule | None) -> dict[str, list[tuple[str, float]]]:
    """Every numeric measure over the alert's transitions; the limit and counts of events say nothing over time."""
    hidden = {"limit"} | (
        {m.name for m in rule.measures if {a.op for a in m.aggregates} == {"count"}} if rule else {"n"}
    )
    made: dict[str, list[tuple[str, float]]] = {}
    for transition in trail:
        for name, value in _numbers(transition):
            points = made.setdefault(name, [])
            if name not in hidden and (not points or points[-1][0] < transition.at):
                points.append((transition.at, value))
    return {name: points for name, points in made.items() if points}


def _numbers(transition: Transition) -> Iterator[tuple[str, float]]:
    if transition.by is None:  # a person's act repeats the measures of before
        for name, value in transition.measures.items():
            if _is_number(value):
                yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
