"""Where alerts and events are kept: a data directory's store, or the running system that holds the directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec

from events.alert_events import transition_of
from events.feeds import FeedCatalog
from events.times import format_ms, parse_instant
from events.transition import Evidence, Transition
from fengsui.exits import InputFault, ServiceMissing
from fengsui.remote import call
from fengsui.settings import Settings
from fengsui.workbench.playback import Source
from fengsui.workbench.stored import RemoteHistory, opened_store
from sinks.filters import Filter
from sinks.store.store import Store

Event = dict[str, Any]
_PAGE = 1_000
#: Events of one evidence that are looked through for the named ones.
_MAX_PAGES = 20
#: Alerts whose transitions are asked for one by one.
_MAX_ALERTS = 50
#: Fields of a key that alerts have, too.
_SAME = ("region", "subject")


class Kept(Protocol):
    """``place``: what to call it. ``history``: its events in the order of the log. Errors: InputFault, ServiceMissing, StoreError."""

    place: str
    history: Source

    def alert(self, alert: str) -> list[Transition]:
        """All transitions of an alert, oldest first; none for one that never was."""

    def evidence(self, evidence: Evidence) -> list[Event]:
        """The events that a transition names, and (some of) those of its key and time, oldest first."""

    def transitions(self, evidence: Evidence) -> list[Transition]:
        """Those that a transition of a rule over alerts names, and (some of) those of its key and time, in order."""

    def alerts(self, rule: str, subject: str | None) -> list[Transition]:
        """The newest alerts of a rule, as they now stand."""


@contextmanager
def kept(settings: Settings, catalog: FeedCatalog) -> Iterator[Kept]:
    """What the data directory holds. InputFault, ServiceMissing, StoreError, LogError."""
    with opened_store(settings, catalog) as store:
        yield Running(settings) if store is None else Stored(store)


class Stored:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.place = store.place
        self.history: Source = store.history

    def alert(self, alert: str) -> list[Transition]:
        return self._store.alert_history(alert)

    def evidence(self, evidence: Evidence) -> list[Event]:
        from_ms, to_ms = _span(evidence)
        found = self._store.evidence(evidence.feed, evidence.key, from_ms, to_ms, evidence.events, limit=_PAGE)
        return found.items

    def transitions(self, evidence: Evidence) -> list[Transition]:
        from_ms, to_ms = _span(evidence)
        same = {name: str(evidence.key[name]) for name in _SAME if name in evidence.key}
        named = {pair for pair in map(transition_of, evidence.events) if pair is not None}
        return _ordered(self._store.transitions(from_ms, to_ms, named, limit=_PAGE, **same))

    def alerts(self, rule: str, subject: str | None) -> list[Transition]:
        return self._store.alerts(Filter(rule=rule, subject=subject, shadow=True, limit=_PAGE)).items


class Running:
    """Through the API of the system that runs on the directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.place = str(settings.data)
        self.history: Source = RemoteHistory(settings)

    def alert(self, alert: str) -> list[Transition]:
        status, body = call(self._settings, "GET", f"/api/v1/alerts/{quote(alert, safe='')}")
        if status == 404:
            return []
        return _transitions(_told(status, body).get("history"))

    def evidence(self, evidence: Evidence) -> list[Event]:
        from_ms, to_ms = _span(evidence)
        wanted: dict[str, str] = {"from": format_ms(from_ms), "to": format_ms(to_ms + 1), "limit": str(_PAGE)}
        if "subject" in evidence.key:
            wanted["subject"] = str(evidence.key["subject"])
        missing, found = set(evidence.events), list[Event]()
        for _ in range(_MAX_PAGES):
            status, body = call(self._settings, "GET", f"/api/v1/events?{urlencode(wanted)}")
            page = _told(status, body)
            for event in page.get("items", []):
                named = event.get("id") in missing
                if named or (event.get("feed") == evidence.feed and _has(event, evidence.key)):
                    found.append(event)
                missing.discard(event.get("id"))
            if not page.get("next"):
                break
            wanted["cursor"] = str(page["next"])
        return list(reversed(found))

    def transitions(self, evidence: Evidence) -> list[Transition]:
        from_ms, to_ms = _span(evidence)
        wanted = {"from": format_ms(from_ms), "to": format_ms(to_ms + 1), "shadow": "1", "limit": str(_MAX_ALERTS)}
        wanted |= {name: str(evidence.key[name]) for name in _SAME if name in evidence.key}
        status, body = call(self._settings, "GET", f"/api/v1/alerts?{urlencode(wanted)}")
        named = {pair for pair in map(transition_of, evidence.events) if pair is not None}
        alerts = {one.alert for one in _transitions(_told(status, body).get("items"))} | {alert for alert, _ in named}
        made = [one for alert in sorted(alerts) for one in self.alert(alert)]
        return _ordered(one for one in made if (one.alert, one.n) in named or from_ms <= parse_instant(one.at) <= to_ms)

    def alerts(self, rule: str, subject: str | None) -> list[Transition]:
        wanted = {"rule": rule, "shadow": "1", "limit": str(_PAGE), **({"subject": subject} if subject else {})}
        status, body = call(self._settings, "GET", f"/api/v1/alerts?{urlencode(wanted)}")
        return _transitions(_told(status, body).get("items"))


def _ordered(made: Iterable[Transition]) -> list[Transition]:
    return sorted(made, key=lambda one: (parse_instant(one.at), one.seq, one.n))


def _span(evidence: Evidence) -> tuple[int, int]:
    return parse_instant(evidence.from_), parse_instant(evidence.to or evidence.from_)


def _has(event: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(event.get(name) == wanted for name, wanted in key.items())


def _transitions(items: object) -> list[Transition]:
    return [msgspec.convert(item, Transition) for item in items] if isinstance(items, list) else []


def _told(status: int, body: dict[str, Any]) -> dict[str, Any]:
    if status == 200:
        return body
    told = body.get("detail") or body.get("title") or f"HTTP {status}"
    raise (InputFault if status == 400 else ServiceMissing)(str(told))
