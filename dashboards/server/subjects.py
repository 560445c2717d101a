"""GET /subjects/{id}: what is known of a company, a station, a vehicle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.alerts import find_alerts
from dashboards.server.answers import json_answer
from dashboards.server.feeds import instant
from dashboards.server.params import filter_of
from dashboards.server.problems import Problem
from dashboards.server.questions import ask
from dashboards.server.services import Services, services_of
from sinks.filters import Filter


async def show_subject(request: Request) -> Response:
    """Counts, and the newest alerts and events. 404 where nothing was ever heard of it."""
    wanted = filter_of(request, request.state.principal)
    subject = request.path_params["id"]
    return json_answer(await ask(lambda: _subject(services_of(request), subject, wanted)))


def _subject(services: Services, subject: str, wanted: Filter) -> dict[str, Any]:
    known = services.store.subject(subject)
    wanted = replace(wanted, subject=subject, cursor=None)
    alerts = find_alerts(services, wanted)
    # What is asked of the alerts' side alone has no meaning for events.
    events = services.store.events(replace(wanted, severity=frozenset(), state=frozenset(), rule=None))
    if not known.feeds and not alerts.items:
        raise Problem(404, f"nothing was heard of {subject[:80]!r}", title="Check the subject")
    return {
        "subject": subject,
        "first": instant(known.first_ms),
        "last": instant(known.last_ms),
        "regions": known.regions,
        "feeds": known.feeds,
        "severity": known.alerts,
        "unresolved": known.unresolved,
        "alerts": alerts.items,
        "events": events.items,
    }
