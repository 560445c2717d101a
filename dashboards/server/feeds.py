"""GET /feeds: the catalogue, with what was heard of each feed."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import collection, page_by_name
from dashboards.server.params import filter_of
from dashboards.server.services import Services, services_of
from events.feeds import Feed
from events.times import format_duration, format_ms


async def list_feeds(request: Request) -> Response:
    """Every feed of the catalogue, by name; narrowed by feed and domain."""
    wanted = filter_of(request, request.state.principal)
    services = services_of(request)
    items = (
        {**describe(feed), **pulse_of(services, name)}
        for name, feed in sorted(services.runner.ruleset.catalog.feeds.items())
        if wanted.feed in (None, name) and wanted.domain in (None, feed.domain)
    )
    page, following = page_by_name(items, wanted, kind="f", name="name")
    return collection(request, "feeds", page, following, columns=("name", "title_zh", "title_en", "domain"))


def describe(feed: Feed) -> dict[str, Any]:
    return {
        "name": feed.name,
        "title": dict(feed.title),
        "domain": feed.domain,
        "lateness": format_duration(feed.lateness_ms),
        "idle": format_duration(feed.idle_ms),
        "retention_days": feed.retention_days,
        "fields": [
            {"name": f.name, "type": f.type, "title": dict(f.title), "unit": f.unit, "personal": f.personal}
            for f in feed.fields.values()
        ],
    }


def pulse_of(services: Services, name: str) -> dict[str, Any]:
    """What was heard of a feed since the start; instants are null where nothing was."""
    pulse = services.pulse().get(name)
    watermark_ms = services.runner.health.watermarks.get(name)
    return {
        "accepted": pulse.accepted if pulse else 0,
        "newest_time": instant(pulse.newest_time_ms if pulse else None),
        "newest_receipt": instant(pulse.newest_receipt_ms if pulse else None),
        "watermark": instant(watermark_ms),
    }


def instant(ms: int | None) -> str | None:
    """RFC 3339, or null for never."""
    return format_ms(ms) if ms else None
