"""GET /trend: how many alerts opened when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.params import bad, duration_ms, filter_of
from dashboards.server.questions import ask
from dashboards.server.services import Services, services_of
from events.times import MAX_MS, MIN_MS, format_ms
from events.transition import SEVERITIES, Severity
from sinks.filters import Filter

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_BUCKETS = 1_000


async def show_trend(request: Request) -> Response:
    """Every bucket from ``from`` to ``to``, the empty ones too."""
    services = services_of(request)
    wanted = filter_of(request, request.state.principal, "bucket")
    bucket_ms = duration_ms(request, "bucket", default_ms=HOUR_MS, least_ms=60_000, most_ms=31 * DAY_MS)
    to_ms = wanted.to_ms if wanted.to_ms is not None else services.clock()
    from_ms = wanted.from_ms if wanted.from_ms is not None else to_ms - max(DAY_MS, bucket_ms)
    if from_ms < MIN_MS + 32 * DAY_MS or to_ms > MAX_MS - 32 * DAY_MS:
        raise bad("from", "lies outside of what can be shown")
    if from_ms >= to_ms:
        raise bad("from", "must be earlier than to")
    if (to_ms - from_ms) / bucket_ms > MAX_BUCKETS - 1:
        raise bad("bucket", f"gives more than {MAX_BUCKETS} buckets; take a longer one")
    return json_answer(await ask(lambda: trend(services, replace(wanted, from_ms=from_ms, to_ms=to_ms), bucket_ms)))


def trend(services: Services, wanted: Filter, bucket_ms: int) -> dict[str, Any]:
    assert wanted.from_ms is not None
    assert wanted.to_ms is not None
    offset_ms = midnight_offset_ms(services.settings.zone, wanted.from_ms) if bucket_ms >= DAY_MS else 0
    first_ms = wanted.from_ms - (wanted.from_ms - offset_ms) % bucket_ms
    found = dict(services.store.trend(wanted, bucket_ms=bucket_ms, offset_ms=offset_ms))
    items = []
    for start_ms in range(first_ms, wanted.to_ms, bucket_ms):
        bucket = found.get(start_ms, {})
        counts = {word: bucket.get(word, 0) for word in SEVERITIES}
        items.append(_item(start_ms, counts))
    return {
        "from": format_ms(wanted.from_ms),
        "to": format_ms(wanted.to_ms),
        "bucket_s": bucket_ms / 1000,
        "items": items,
    }


def _item(start_ms: int, counts: Mapping[Severity, int]) -> dict[str, str | int]:
    item: dict[str, str | int] = {"at": format_ms(start_ms)}
    return item | {str(word): count for word, count in counts.items()} | {"total": sum(counts.values())}


def midnight_offset_ms(zone: str, at_ms: int) -> int:
    """Midnight of the zone, modulo a day, as epoch ms: what buckets of whole days are aligned to."""
    offset = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return -round(offset.total_seconds() * 1000) % DAY_MS
