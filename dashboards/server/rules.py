"""GET /rules and /rules/{id}, POST /rules/reload: what is in force, what is refused, and reading the files again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import collection, json_answer, page_by_name
from dashboards.server.auth import Principal
from dashboards.server.feeds import instant
from dashboards.server.params import filter_of
from dashboards.server.problems import Problem
from dashboards.server.services import Refusal, Services, services_of
from events.times import format_duration
from rules.errors import RuleError
from rules.model import Measure, Rule
from rules.schema import schema
from rules.words.rule import describe as explain
from rules.words.said import LANGUAGES
from streams.log.errors import LogError

#: Faults that the board is told of; the reload's own answer has more.
MAX_SHOWN_ERRORS = 5
_NO_ALERTS = {"unresolved": 0, "active": 0}


async def list_rules(request: Request) -> Response:
    """The rules in force, by id; narrowed by domain, rule, feed and severity."""
    wanted = filter_of(request, request.state.principal)
    services = services_of(request)
    rules = services.runner.ruleset
    alerts = services.live.by_rule()
    items = (
        {**describe(rule), "alerts": alerts.get(rule.id, _NO_ALERTS)}
        for rule in sorted(rules.rules, key=lambda rule: rule.id)
        if (wanted.domain is None or rule.domain == wanted.domain)
        and (wanted.rule is None or rule.id == wanted.rule)
        and (wanted.feed is None or wanted.feed in rule.feeds)
        and (not wanted.severity or wanted.severity & {severity for severity, _ in rule.severity})
    )
    page, following = page_by_name(items, wanted, kind="r", name="id")
    return collection(
        request,
        "rules",
        page,
        following,
        columns=("id", "title_zh", "title_en", "domain", "kind"),
        beside=standing(services, request.state.principal),
    )


def standing(services: Services, principal: Principal) -> dict[str, Any]:
    """The set in force and, where newer files are refused, why: ``{"in_force": {...}, "refused": {...} or None}``."""
    rules, health = services.runner.ruleset, services.runner.health
    modes = Counter[str](rule.mode for rule in rules.rules)
    return {
        "in_force": {
            "version": rules.version,
            "position": health.rules_pos,
            "since": instant(health.rules_at_ms),
            "count": len(rules.rules),
            **{mode: modes[mode] for mode in ("on", "shadow", "off")},
        },
        "refused": _refused(services.rules.refused if services.rules else None, principal),
    }


def _refused(refusal: Refusal | None, principal: Principal) -> dict[str, Any] | None:
    """The faults are for those who can mend them; the others see that there are some."""
    if refusal is None:
        return None
    shown = refusal.errors[:MAX_SHOWN_ERRORS] if principal.is_ops else ()
    return {"since": instant(refusal.since_ms), "faults": refusal.faults, "errors": list(map(fault, shown))}


def fault(error: RuleError) -> dict[str, Any]:
    """One fault of a rule file; ``line`` and ``column`` are null where it is the file's as a whole."""
    return {
        "file": error.file,
        "line": error.line or None,
        "column": error.column if error.line else None,
        "message": error.message,
        "hint": error.hint,
    }


async def show_rule(request: Request) -> Response:
    """One rule in force, and what it does in words."""
    services, wanted = services_of(request), request.path_params["id"]
    ruleset = services.runner.ruleset
    for rule in ruleset.rules:
        if rule.id == wanted:
            alerts = services.live.by_rule().get(wanted, _NO_ALERTS)
            explanation = {language: explain(rule, ruleset.catalog, language) for language in LANGUAGES}
            return json_answer({**describe(rule), "alerts": alerts, "explanation": explanation})
    raise Problem(404, f"no rule {wanted[:40]!r} is in force", title="Check the rule's id")


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
        "measures": _measures(rule.measures),
        "baseline": [
            {
                "last": one.last,
                "skip": one.skip,
                "every": format_duration(one.every_ms),
                "measures": _measures(one.measures),
            }
            for one in rule.baseline
        ],
        "new": list(rule.new),
        "only": rule.only.text if rule.only else None,
        "severity": [{"severity": word, "when": when.text if when else None} for word, when in rule.severity],
        "summary": dict(rule.summary),
        "mode": rule.mode,
        "max_open": rule.max_open,
        "max_rate": rule.max_rate,
        "auto_resolve": sorted(rule.auto_resolve),
        "source": rule.source,
        "version": rule.version,
        "place": {"file": rule.place.file, "line": rule.place.line},
    }


def _measures(measures: Iterable[Measure]) -> dict[str, str]:
    return {measure.name: measure.expr.text for measure in measures}


def _window(rule: Rule) -> str | None:
    if rule.window is not None:
        more = {"hopping": ("every", rule.window.every_ms), "session": ("max", rule.window.max_ms)}
        word, ms = more.get(rule.window.shape, ("", 0))
        return f"{rule.window.shape} {format_duration(rule.window.size_ms)}" + (
            f" {word} {format_duration(ms)}" if word else ""
        )
    if rule.new:
        return f"memory {format_duration(rule.memory_ms)}"
    if rule.absent_ms is not None:
        return f"absent {format_duration(rule.absent_ms)}"
    if rule.within_ms is not None:
        return f"within {format_duration(rule.within_ms)}"
    return None


async def show_schema(request: Request) -> Response:
    """GET /rules/schema: the JSON Schema of rule files over the catalogue in force. 304 where the client has it.

    Editors can send no token: ``key`` in the address will do, which opens nothing else.
    """
    auth = services_of(request).auth
    if not hmac.compare_digest(request.query_params.get("key", "").encode(), auth.token.schema_key.encode()):
        await auth.require(request)
    body = json.dumps(schema(services_of(request).runner.ruleset.catalog), ensure_ascii=False).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {etag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/schema+json")


async def reload_rules(request: Request) -> Response:
    """200 with the version now in force; 409 with every error where the files are at fault, and the old rules stay."""
    services = services_of(request)
    if services.rules is None:
        raise Problem(
            404, "this system has no rules directory to read again", title="Change the rules where they are kept"
        )
    try:
        outcome = await asyncio.to_thread(services.rules.reload)
    except LogError as error:
        raise Problem(
            503, str(error), title="Try again: the log cannot take it now", retry_after_s=error.retry_after_s or 30
        ) from error
    if outcome.errors:
        told = list(map(str, outcome.errors))
        more = [f"and {outcome.left_out} more"] if outcome.left_out else []
        raise Problem(
            409,
            "\n".join([*told[:100], *more]),
            title="Correct the rule files, then reload: the old rules are still in force",
            extra={
                "errors": told,
                "faults": [fault(error) for error in outcome.errors],
                "left_out": outcome.left_out,
                "in_force": standing(services, request.state.principal)["in_force"],
            },
        )
    return json_answer(
        {
            "position": outcome.position,
            "version": outcome.version,
            "count": outcome.count,
            "changes": outcome.changes,
            "in_force": standing(services, request.state.principal)["in_force"],
        }
    )
