"""GET /rules, POST /rules/reload."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import collection, json_answer, page_by_name
from dashboards.server.params import filter_of
from dashboards.server.problems import Problem
from dashboards.server.services import services_of
from events.times import format_duration
from rules.model import Rule
from streams.log.errors import LogError


async def list_rules(request: Request) -> Response:
    """The rules in force, by id; narrowed by domain, rule, feed and severity."""
    wanted = filter_of(request, request.state.principal)
    rules = services_of(request).runner.ruleset
    items = (
        describe(rule)
        for rule in sorted(rules.rules, key=lambda rule: rule.id)
        if (wanted.domain is None or rule.domain == wanted.domain)
        and (wanted.rule is None or rule.id == wanted.rule)
        and (wanted.feed is None or wanted.feed in rule.feeds)
        and (not wanted.severity or wanted.severity & {severity for severity, _ in rule.severity})
    )
    page, following = page_by_name(items, wanted, kind="r", name="id")
    return collection(request, "rules", page, following, columns=("id", "title_zh", "title_en", "domain", "kind"))


def describe(rule: Rule) -> dict[str, Any]:
    """A rule as the API shows it: its texts as they were written, durations as ``1h``."""
    return {
        "id": rule.id,
        "title": dict(rule.title),
        "domain": rule.domain,
        "kind": rule.kind,
        "feed": rule.feed,
        "feeds": sorted(rule.feeds),
        "by": list(rule.by),
        "where": rule.where.text if rule.where else None,
        "when": rule.when.text if rule.when else None,
        "clear": rule.clear.text if rule.clear else None,
        "window": _window(rule),
        "measures": {measure.name: measure.expr.text for measure in rule.measures},
        "severity": [{"severity": word, "when": when.text if when else None} for word, when in rule.severity],
        "summary": dict(rule.summary),
        "mode": rule.mode,
        "auto_resolve": sorted(rule.auto_resolve),
        "source": rule.source,
        "version": rule.version,
        "place": {"file": rule.place.file, "line": rule.place.line},
    }


def _window(rule: Rule) -> str | None:
    if rule.window is not None:
        every = f" every {format_duration(rule.window.every_ms)}" if rule.window.shape == "hopping" else ""
        return f"{rule.window.shape} {format_duration(rule.window.size_ms)}{every}"
    if rule.absent_ms is not None:
        return f"absent {format_duration(rule.absent_ms)}"
    if rule.within_ms is not None:
        return f"within {format_duration(rule.within_ms)}"
    return None


async def reload_rules(request: Request) -> Response:
    """200 with the version now in force; 409 with every error where the files are at fault, and the old rules stay."""
    services = services_of(request)
    if services.reload is None:
        raise Problem(
            404, "this system has no rules directory to read again", title="Change the rules where they are kept"
        )
    try:
        outcome = await asyncio.to_thread(services.reload)
    except LogError as error:
        raise Problem(
            503, str(error), title="Try again: the log cannot take it now", retry_after_s=error.retry_after_s or 30
        ) from error
    if outcome.errors:
        raise Problem(
            409,
            "\n".join(outcome.errors[:100]),
            title="Correct the rule files, then reload: the old rules are still in force",
            extra={"errors": list(outcome.errors[:1000])},
        )
    return json_answer({"position": outcome.position, "version": outcome.version, "count": outcome.count})
