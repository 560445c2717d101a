"""GET /board/summary: the head of the board, the tile map and the heartbeat in one answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.auth import Principal
from dashboards.server.feeds import instant, pulse_of
from dashboards.server.heartbeat import take_pulse
from dashboards.server.params import bad, filter_of
from dashboards.server.presence import Present
from dashboards.server.rules import standing
from dashboards.server.services import Services, services_of
from events.times import format_ms
from events.transition import SEVERITIES
from sinks.filters import STATES, UNRESOLVED, Filter

_DIGITS = (2, 4, 6)


class Board:
    """Keeps each answer for a moment: a hundred walls that ask every few seconds cost as much as one."""

    KEPT_S = 1.0
    MOST = 200

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Filter, int, bool], tuple[float, asyncio.Task[bytes]]] = OrderedDict()

    async def show_summary(self, request: Request) -> Response:
        """Counts and the heartbeat; ``digits`` is the length of the region prefixes."""
        principal: Principal = request.state.principal
        wanted = filter_of(request, principal, "digits")
        digits = request.query_params.get("digits", "4")
        if digits not in map(str, _DIGITS):
            raise bad("digits", "must be 2, 4 or 6")
        key, now_s = (wanted, int(digits), principal.is_ops), time.monotonic()
        made_s, task = self._kept.get(key, (-math.inf, None))
        if task is None or now_s - made_s > self.KEPT_S:
            task = asyncio.create_task(
                asyncio.to_thread(
                    _encoded, services_of(request), wanted, int(digits), principal, request.app.state.presence.now()
                )
            )
            self._kept[key] = now_s, task
            self._kept.move_to_end(key)
            while len(self._kept) > self.MOST:
                self._kept.popitem(last=False)
        # One asker who goes away must not take the answer from the others.
        return Response(await asyncio.shield(task), media_type="application/json")


def _encoded(services: Services, wanted: Filter, digits: int, principal: Principal, present: Present) -> bytes:
    return msgspec.json.encode(summary(services, wanted, digits, principal, present))


def summary(services: Services, wanted: Filter, digits: int, principal: Principal, present: Present) -> dict[str, Any]:
    pulse = take_pulse(services)
    health = services.runner.health
    rules = services.runner.ruleset
    told = standing(services, principal)
    return {
        "at": format_ms(services.clock()),
        "seq": services.live.newest_seq,
        "zone": services.settings.zone,
        "health": pulse.health,
        "problems": pulse.problems,
        "present": present,
        "alerts": _alerts(services, wanted, digits),
        "feeds": _feeds(services),
        "engine": {
            "running": health.state == "running",
            "clock": instant(health.clock_ms),
            "pos": health.pos,
            "newest": health.newest,
            "lag": health.lag,
            "lag_s": pulse.lag_s,
            "error": health.error or None,
        },
        "sinks": [
            {
                "name": sink.name,
                "lag": sink.lag,
                "last_success": instant(sink.last_success_ms),
                "error": sink.error or None,
            }
            for sink in services.sinks()
        ],
        "rules": {
            "version": rules.version,
            "count": sum(rule.mode == "on" for rule in rules.rules),
            "shadow": sum(rule.mode == "shadow" for rule in rules.rules),
            "since": told["in_force"]["since"],
            "refused": told["refused"],
        },
    }


def _alerts(services: Services, wanted: Filter, digits: int) -> dict[str, Any]:
    everything = services.live.counts(replace(wanted, state=frozenset()), region_digits=digits)
    standing = services.live.counts(replace(wanted, state=UNRESOLVED), region_digits=digits)
    return {
        "unresolved": standing.total,
        "active": standing.condition.get("active", 0),
        "unacknowledged": standing.state.get("open", 0),
        "severity": {word: standing.severity.get(word, 0) for word in SEVERITIES},
        "state": {word: everything.state.get(word, 0) for word in STATES},
        "domain": _ranked("domain", {name: _by_severity(services, wanted, name) for name in standing.domain}),
        "region": _ranked("region", standing.region),
    }


def _by_severity(services: Services, wanted: Filter, domain: str) -> Mapping[str, int]:
    return services.live.counts(replace(wanted, state=UNRESOLVED, domain=domain)).severity


def _ranked(name: str, groups: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Each group with its counts by severity, the reddest first."""
    items = [
        {name: group, "total": sum(counts.values()), **{word: counts.get(word, 0) for word in SEVERITIES}}
        for group, counts in groups.items()
        if sum(counts.values())
    ]
    return sorted(items, key=lambda item: (*(-item[word] for word in SEVERITIES), item[name]))


def _feeds(services: Services) -> list[dict[str, Any]]:
    items = [
        {"feed": name, "title": dict(feed.title), "domain": feed.domain, **pulse_of(services, name)}
        for name, feed in sorted(services.runner.ruleset.catalog.feeds.items())
    ]
    return sorted(items, key=lambda item: item["newest_receipt"] is None)
