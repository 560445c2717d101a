"""GET /alerts and /alerts/{id}: from the live state where it knows, from the store where it no longer does."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import collection, json_answer, wanted_form
from dashboards.server.auth import Principal
from dashboards.server.params import filter_of
from dashboards.server.problems import Problem
from dashboards.server.questions import ask
from dashboards.server.services import Page, Services, services_of
from events.alert_events import event_of, transition_of
from events.feeds import ALERT_FEED
from events.times import parse_instant
from events.transition import Transition
from sinks.filters import UNRESOLVED, Filter
from sinks.live.protocol import MAX_RESOLVED
from sinks.store.errors import StoreError
from sinks.store.reads import SAME
from streams.log.entry import transition

MAX_EVENTS = 100
#: Transitions among which the evidence of a rule over alerts is looked for.
MAX_LOOKED_AT = 2_000
#: The store takes its entries in stretches; the newest transitions of an alert stand in this last part of the log.
TAIL_TRANSITIONS = 5_000
TAIL_BYTES = 16_000_000
#: An alert is on the board before its event is in the store: wait this long for the named ones.
EVIDENCE_WAIT_S = 1.5
_AGAIN_S = 0.25
#: Of a table without rows: texts in two languages are two columns.
_COLUMNS = tuple(
    column
    for name in msgspec.structs.fields(Transition)
    for column in ((f"{name.name}_zh", f"{name.name}_en") if name.name in ("title", "summary") else (name.name,))
)


async def list_alerts(request: Request) -> Response:
    """Alerts, red first, then newest opening."""
    wanted_form(request)
    wanted = filter_of(request, request.state.principal)
    page = await ask(lambda: find_alerts(services_of(request), wanted))
    return collection(request, "alerts", page.items, page.next, columns=_COLUMNS)


def find_alerts(services: Services, wanted: Filter) -> Page[Transition]:
    """The live state holds all that is not resolved; of the resolved it may have let older ones go."""
    reaches_back = wanted.from_ms is not None or wanted.to_ms is not None
    standing_only = bool(wanted.state) and wanted.state <= UNRESOLVED
    if reaches_back and not standing_only and not _holds_all(services):
        return services.store.alerts(wanted)
    return services.live.alerts(wanted)


def _holds_all(services: Services) -> bool:
    resolved = services.live.counts(Filter(shadow=True)).state.get("resolved", 0)
    return services.transition_log.oldest <= 1 and resolved < MAX_RESOLVED


async def show_alert(request: Request) -> Response:
    """One alert with its history and its evidence."""
    principal: Principal = request.state.principal
    services, alert = services_of(request), request.path_params["id"]
    return json_answer(await ask(lambda: _detail(services, alert, principal)))


def _detail(services: Services, alert: str, principal: Principal) -> dict[str, Any]:
    trail, trouble = history(services, alert)
    newest = newest_of(services, alert, trail, principal)
    try:
        events = evidence(services, newest)
    except StoreError as error:
        events, trouble = [], str(error)
    detail = {**msgspec.to_builtins(newest), "history": trail, "events": events}
    return {**detail, "events_error": trouble} if trouble else detail


def newest_of(services: Services, alert: str, trail: list[Transition], principal: Principal) -> Transition:
    """The alert as it stands; Problem 404 for one that never was, or that the principal may not see."""
    newest = max((t for t in (services.live.get(alert), *trail[-1:]) if t is not None), key=lambda t: t.n, default=None)
    if newest is None or (newest.shadow and not principal.is_ops):
        raise Problem(404, f"no alert {alert[:40]!r}", title="Check the alert's id")
    return newest


def history(services: Services, alert: str) -> tuple[list[Transition], str]:
    """An alert's transitions, oldest first, and why older ones may be missing ("" where none are)."""
    trouble, kept = "", []
    try:
        kept = services.store.alert_history(alert)
    except StoreError as error:
        trouble = str(error)
    last_n = kept[-1].n if kept else 0
    standing = services.live.get(alert)
    if standing is not None and standing.n > last_n:
        # Others may be appending: the tail begins where it begins now.
        after = max(0, services.transition_log.newest - TAIL_TRANSITIONS)
        tail = services.transition_log.read(after, TAIL_TRANSITIONS, TAIL_BYTES)
        kept = [*kept, *(t for t in map(transition, tail) if t.alert == alert and t.n > last_n)]
    return kept, trouble


def evidence(services: Services, newest: Transition) -> list[dict[str, Any]]:
    """The events that the newest transition names, newest first, and the others of its key and time."""
    named = newest.evidence
    find = _alert_events if named.feed == ALERT_FEED else _events
    deadline_s = time.monotonic() + EVIDENCE_WAIT_S
    while True:
        found = find(services, newest)
        missing = set(named.events[:MAX_EVENTS]) - {str(event.get("id")) for event in found}
        catching_up = any(sink.lag for sink in services.sinks())
        if not missing or not catching_up or time.monotonic() > deadline_s:
            return found[::-1]
        time.sleep(_AGAIN_S)


def _events(services: Services, newest: Transition) -> list[dict[str, Any]]:
    named = newest.evidence
    begin_ms, end_ms = parse_instant(named.from_), parse_instant(named.to or named.from_)
    found = services.store.evidence(named.feed, named.key, begin_ms, end_ms, named.events, limit=MAX_EVENTS)
    return list(found.items)


def _alert_events(services: Services, newest: Transition) -> list[dict[str, Any]]:
    """Transitions of other rules' alerts, as a rule over alerts sees them: none of its own, none on trial unless it is, too."""
    named = newest.evidence
    same = {name: str(value) for name, value in named.key.items() if name in SAME}
    asked = {pair for pair in map(transition_of, named.events) if pair is not None}
    made = services.store.transitions(
        parse_instant(named.from_), parse_instant(named.to or named.from_), asked, limit=MAX_LOOKED_AT, **same
    )
    rules = services.runner.ruleset.rules
    above = {rule.id for rule in rules if rule.feed == ALERT_FEED}
    seen = next((rule.named for rule in rules if rule.id == newest.rule), frozenset[str]())
    found = []
    for one in made:
        event = event_of(one)
        pointed_at = (one.alert, one.n) in asked
        visible = one.rule not in above - seen and one.rule != newest.rule and (newest.shadow or not one.shadow)
        if pointed_at or (visible and all(event.get(name) == value for name, value in named.key.items())):
            found.append((pointed_at, event))
    others = [event for pointed_at, event in found if not pointed_at]
    most = max(0, MAX_EVENTS - (len(found) - len(others)))
    kept = {event["id"] for event in others[len(others) - most :]}
    return [event for pointed_at, event in found if pointed_at or event["id"] in kept]
