"""A second, slow and obvious evaluator of the contract: one record at a time, plain dicts and Python callables.

It is written from the contract alone and shares no code with the engine, so that the two can be held against each other
(``test_engine_properties.py``). Where the contract is silent, the choice made here is marked ``Decided:``.

An event is a dict of its fields (``id``, ``feed``, ``source``, ``time`` in epoch ms, ``subject``, ...; ``receipt`` where the log
holds one); null and missing are both ``None``. A condition is a callable of a dict that gives True, False or None (unknown).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fields = Mapping[str, Any]
Condition = Callable[[Fields], "bool | None"]

NEVER = -(2**62)
DEDUPE_HORIZON_MS = 86_400_000
RANK = {"red": 4, "orange": 3, "yellow": 2, "blue": 1}
TYPE_ORDER = ("opened", "updated", "escalated", "closed", "acked", "assigned", "noted", "resolved", "reopened")


@dataclass(frozen=True)
class RefFeed:
    lateness: int
    idle: int


@dataclass(frozen=True)
class RefStep:
    feed: str
    where: Condition | None = None
    absent: bool = False
    unless: tuple[str, Condition | None] | None = None


@dataclass(frozen=True)
class RefRule:
    """One rule; durations in ms. ``ladder``: (severity, condition or None for true), ``measures``: functions of event lists."""

    id: str
    kind: str
    feed: str = ""
    by: tuple[str, ...] = ("subject",)
    where: Condition | None = None
    when: Condition | None = None
    clear: Condition | None = None
    ladder: tuple[tuple[str, Condition | None], ...] = (("orange", None),)
    measures: Mapping[str, Callable[[list[Fields]], Any]] = field(default_factory=dict)
    #: shape, size, every, offset
    window: tuple[str, int, int, int] | None = None
    absent: int = 0
    expect: tuple[tuple[Any, ...], ...] = ()
    sequence: tuple[RefStep, ...] = ()
    within: int = 0
    hold: int = 0
    clear_after: int | None = None
    update_every: int = 60_000
    auto_resolve: frozenset[str] = frozenset({"blue"})
    shown: tuple[str, ...] = ()
    mode: str = "on"

    @property
    def feeds(self) -> set[str]:
        if self.kind != "sequence":
            return {self.feed}
        named = {step.feed for step in self.sequence}
        return named | {step.unless[0] for step in self.sequence if step.unless}


def holds(condition: Condition | None, fields: Fields) -> bool:
    """Three-valued logic ends here: unknown does not hold. No condition at all always does."""
    return condition is None or condition(fields) is True


class Watermarks:
    """Contract section 2, word by word."""

    def __init__(self, feeds: Mapping[str, RefFeed]) -> None:
        self.feeds = feeds
        self.clock = NEVER
        self.max_seen = dict.fromkeys(feeds, NEVER)
        self.greatest_time = NEVER
        self.ended: int | None = None

    def of(self, feed: str) -> int:
        if self.ended is not None:
            return self.ended
        if self.clock == NEVER:
            return NEVER
        spec = self.feeds[feed]
        return max(self.max_seen[feed], self.clock - spec.idle) - spec.lateness

    def least(self, feeds: set[str]) -> int:
        return min(self.of(feed) for feed in feeds)

    def event(self, event: Fields) -> None:
        """An event stamped ahead of its receipt moves the clock only to its receipt."""
        seen = event["time"] if event.get("receipt") is None else min(event["time"], event["receipt"])
        self.clock = max(self.clock, seen)
        self.max_seen[event["feed"]] = max(self.max_seen[event["feed"]], seen)
        self.greatest_time = max(self.greatest_time, event["time"])

    def tick(self, at: int) -> None:
        self.clock = max(self.clock, at)

    def end(self, at: int | None) -> None:
        self.clock = max(self.clock, self.greatest_time if at is None else at)
        self.ended = self.clock


@dataclass
class Alert:
    """An alert as it stands: what its newest transition shows."""

    id: str
    rule: RefRule
    key: dict[str, Any]
    opened: int
    severity: str
    n: int = 0
    count: int = 1
    state: str = "open"
    condition: str = "active"
    closed: int | None = None
    measures: dict[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    #: subject and region
    place: tuple[Any, Any] = (None, None)

    def show(self, severity: str, measures: dict[str, Any], events: tuple[str, ...], place: tuple[Any, Any]) -> None:
        """The next transition shows this; a subject or region that is not known any more stays."""
        self.severity, self.measures, self.events = severity, measures, events
        self.place = (place[0] or self.place[0], place[1] or self.place[1])


@dataclass
class Episode:
    """What a rule remembers of one key."""

    alert: Alert | None = None
    run_since: int | None = None
    last_true: int = NEVER
    last_shown: int = NEVER
    last_evaluated: int = NEVER


class Reference:
    """``step(record)`` gives the transitions of one record, in their order, as dicts.

    Records: ``("rules", pos, at)`` (the activation of a live log), ``("event", pos, event)``, ``("tick", pos, at)``, ``("act", pos, act)`` with act = {id, at, alert, verb, by, note, to},
    ``("end", pos, at or None)``.
    """

    def __init__(self, rules: list[RefRule], feeds: Mapping[str, RefFeed], *, dedupe: bool = False) -> None:
        self.marks = Watermarks(feeds)
        self.alerts: dict[str, Alert] = {}
        self.running = [make(rule, self) for rule in rules if rule.mode != "off"]
        self.began = False
        self.dedupe = dedupe
        self.seen: dict[tuple[str, str], int] = {}
        self.duplicates = 0
        self.late: dict[tuple[str, str], int] = {}
        self.refused: list[str] = []
        self._out: list[dict[str, Any]] = []

    def step(self, record: tuple[str, int, Any]) -> list[dict[str, Any]]:
        what, pos, body = record
        self._out = []
        if what == "event":
            self._event(body)
        elif what == "tick":
            self.marks.tick(body)
        elif what == "end":
            self.marks.end(body)
        elif what == "rules":
            self._begin(body)
        else:
            self._act(body)
        for running in self.running:
            running.advance(self.marks.least(running.rule.feeds))
        out = sorted(self._out, key=_order)
        for transition in out:
            transition["cause"] = pos
        return out

    # ---------------------------------------------------------------- events

    def repeated(self, event: Fields) -> bool:
        """Whether this (source, id) was seen within the horizon, by the log's clock at this row."""
        seen = event["time"] if event.get("receipt") is None else min(event["time"], event["receipt"])
        now = max(self.marks.clock, seen)
        before = self.seen.get((event["source"], event["id"]))
        if before is not None and now - before <= DEDUPE_HORIZON_MS:
            return True
        self.seen[event["source"], event["id"]] = now
        return False

    def _event(self, event: Fields) -> None:
        if self.dedupe and self.repeated(event):
            self.duplicates += 1
            return
        late = event["time"] < self.marks.of(event["feed"])
        if late:
            name = (event["feed"], event["source"])
            self.late[name] = self.late.get(name, 0) + 1
        self.marks.event(event)
        self._begin(self.marks.clock)
        for running in self.running:
            if event["feed"] in running.rule.feeds:
                running.arrive(event, late=late)

    def _begin(self, at: int) -> None:
        """The rules come into force, once: at their activation, in a replay at the first event.

        Decided: the first event by the log's clock, so at most its receipt.
        """
        if not self.began:
            self.began = True
            for running in self.running:
                running.begin(at)

    # ------------------------------------------------------------------ acts

    def _act(self, act: Mapping[str, Any]) -> None:
        alert = self.alerts.get(act["alert"])
        allowed = {
            "ack": ("open",),
            "assign": ("open", "acked", "assigned"),
            "resolve": ("open", "acked", "assigned"),
            "reopen": ("resolved",),
            "note": ("open", "acked", "assigned", "resolved"),
        }
        if alert is None or alert.state not in allowed[act["verb"]]:
            self.refused.append(act["id"])
            return
        if act["verb"] == "ack":
            alert.state = "acked"
        elif act["verb"] == "assign":
            alert.state = "assigned"
        elif act["verb"] == "reopen":
            alert.state = "open"
        elif act["verb"] == "resolve":
            alert.state = "resolved"
            if alert.condition == "active":
                alert.condition = "cleared"
                alert.closed = act["at"]
                for running in self.running:
                    running.resolved(alert)
        words = {"ack": "acked", "assign": "assigned", "resolve": "resolved", "reopen": "reopened", "note": "noted"}
        self.emit(
            alert, words[act["verb"]], act["at"], act=act["id"], by=act["by"], note=act.get("note"), to=act.get("to")
        )

    # ----------------------------------------------------------- transitions

    def emit(self, alert: Alert, kind: str, at: int, **more: Any) -> None:
        alert.n += 1
        self._out.append(
            {
                "alert": alert.id,
                "n": alert.n,
                "type": kind,
                "at": at,
                "rule": alert.rule.id,
                "key": dict(alert.key),
                "severity": alert.severity,
                "measures": dict(alert.measures),
                "count": alert.count,
                "condition": alert.condition,
                "state": alert.state,
                "opened": alert.opened,
                "closed": alert.closed,
                "events": alert.events,
                "subject": alert.place[0],
                "region": alert.place[1],
                "shadow": alert.rule.mode == "shadow",
                "act": None,
                "by": None,
                "note": None,
                "to": None,
            }
            | more
        )

    def open(
        self,
        rule: RefRule,
        key: dict[str, Any],
        at: int,
        severity: str,
        measures: dict[str, Any],
        events: tuple[str, ...],
        place: tuple[Any, Any],
    ) -> Alert | None:
        """A new alert, or None: openings of one key in one millisecond are one."""
        name = hashlib.sha256(f"{rule.id}\n{key_json(key)}\n{at}".encode()).hexdigest()[:16]
        if name in self.alerts:
            return None
        alert = Alert(name, rule, key, at, severity, measures=measures, events=events, place=place)
        self.alerts[name] = alert
        self.emit(alert, "opened", at)
        return alert

    def close(self, alert: Alert, at: int) -> None:
        """The condition clears; what is auto-resolved needs nobody."""
        alert.condition = "cleared"
        alert.closed = at
        if alert.severity in alert.rule.auto_resolve:
            alert.state = "resolved"
        self.emit(alert, "closed", at)


def key_json(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(key.items())), ensure_ascii=False, separators=(",", ":"))


def _newest(events: Iterable[Fields], name: str) -> Any:
    """A field of the newest event that has it."""
    return next((event[name] for event in reversed(list(events)) if event.get(name) is not None), None)


def _order(transition: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        transition["at"],
        transition["rule"],
        key_json(transition["key"]),
        # Decided: an alert's own order (n) goes before that of "updated" and "escalated".
        TYPE_ORDER.index("updated" if transition["type"] == "escalated" else transition["type"]),
        transition["n"],
    )


# --- one rule ---------------------------------------------------------------------------------------------------------


def make(rule: RefRule, home: Reference) -> Running:
    if rule.kind == "window":
        assert rule.window
        return Sliding(rule, home) if rule.window[0] == "sliding" else Panes(rule, home)
    return {"each": Each, "absent": Absent, "sequence": Sequence}[rule.kind](rule, home)


class Running:
    """A rule with its state. The base releases events in (time, arrival) order and fires what falls due between them."""

    #: Whether what falls due at an instant waits until the watermark has passed it: an event at that instant may still come.
    waits_past = True

    def __init__(self, rule: RefRule, home: Reference) -> None:
        self.rule = rule
        self.home = home
        self.pending: list[Fields] = []
        self.episodes: dict[tuple[Any, ...], Episode] = {}

    def begin(self, at: int) -> None:
        """The rule has come into force."""

    def arrive(self, event: Fields, *, late: bool) -> None:
        if not late:
            self.pending.append(event)

    def advance(self, watermark: int) -> None:
        """Release and fire everything that the watermark allows, in order of time; at one instant, events go first."""
        while True:
            due = self.due()
            if due is not None and not (due < watermark if self.waits_past else due <= watermark):
                due = None
            # min() keeps the first of equals: arrival order.
            event = min(self.pending, key=lambda e: e["time"], default=None)
            if event is not None and event["time"] > watermark:
                event = None
            if event is not None and (due is None or event["time"] <= due):
                self.pending.remove(event)
                self.release(event)
            elif due is not None:
                self.fire(due)
            else:
                return

    def due(self) -> int | None:
        """The earliest instant at which something happens without an event."""
        return min(self._closings(), default=None)

    def fire(self, at: int) -> None:
        """Everything that falls due at this instant."""
        for episode in self.episodes.values():
            self._expire(episode, at)

    def release(self, event: Fields) -> None:
        """The rule sees an event."""

    def resolved(self, alert: Alert) -> None:
        """A person's resolve ended the episode."""
        for episode in self.episodes.values():
            if episode.alert is alert:
                episode.alert = None
                episode.run_since = None  # Decided: what ``hold`` asks for is asked for again.

    def key_of(self, event: Fields) -> tuple[Any, ...] | None:
        """The values of ``by``; None for a keyless event."""
        values = tuple(event.get(name) for name in self.rule.by)
        return None if None in values else values

    def key_dict(self, values: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self.rule.by, values, strict=True))

    def place(self, values: tuple[Any, ...], events: Iterable[Fields]) -> tuple[Any, Any]:
        """Subject and region of an alert: what the key has of them. Decided: where the key has the subject, but no region, the
        alert has the newest region of ``events``: where the subject was last heard.
        """
        key = self.key_dict(values)
        return key.get("subject"), key.get("region", _newest(events, "region") if "subject" in key else None)

    # --- episodes

    def _closings(self) -> list[int]:
        after = self.rule.clear_after
        if after is None:
            return []
        return [episode.last_true + after for episode in self.episodes.values() if episode.alert]

    def _expire(self, episode: Episode, now: int) -> None:
        """Close what had no true evaluation for ``clear_after``: at that instant, if it lies at or before ``now``."""
        after = self.rule.clear_after
        if after is not None and episode.alert and episode.last_true + after <= now:
            self._close(episode, episode.last_true + after)

    def _close(self, episode: Episode, at: int) -> None:
        assert episode.alert is not None
        self.home.close(episode.alert, at)
        episode.alert = None
        episode.run_since = None

    def evaluate(
        self,
        values: tuple[Any, ...],
        at: int,
        fields: Fields,
        measures: dict[str, Any],
        events: tuple[str, ...],
        place: tuple[Any, Any],
    ) -> None:
        """One evaluation of one key: contract section 3, Episodes."""
        rule = self.rule
        episode = self.episodes.setdefault(values, Episode())
        # A closing before this evaluation comes first; one at this very instant waits for its outcome.
        self._expire(episode, at - 1)
        episode.last_evaluated = at
        severity = next((word for word, condition in rule.ladder if holds(condition, fields)), None)
        true = rule.when is not None and holds(rule.when, fields) and severity is not None
        cleared = rule.clear is not None and holds(rule.clear, fields)
        alert = episode.alert
        if cleared or not true:
            episode.run_since = None
            if alert and (cleared or rule.clear is None):
                alert.show(alert.severity, measures, events, place)
                self._close(episode, at)
            return
        assert severity is not None
        episode.last_true = at
        if alert is None:
            if episode.run_since is None:
                episode.run_since = at
            if at - episode.run_since >= rule.hold:
                episode.alert = self.home.open(rule, self.key_dict(values), at, severity, measures, events, place)
                episode.last_shown = at
            return
        alert.count += 1
        if RANK[severity] > RANK[alert.severity]:
            alert.show(severity, measures, events, place)
            self.home.emit(alert, "escalated", at)
            episode.last_shown = at
        elif at - episode.last_shown >= rule.update_every:
            alert.show(alert.severity, measures, events, place)
            self.home.emit(alert, "updated", at)
            episode.last_shown = at


class Each(Running):
    """Evaluated on arrival, late or not; only ``clear_after`` waits for the watermark."""

    def arrive(self, event: Fields, *, late: bool) -> None:
        del late
        values = self.key_of(event)
        if values is None or not holds(self.rule.where, event):
            return
        measures = {name: event.get(name) for name in self.rule.shown}
        episode = self.episodes.setdefault(values, Episode())
        if event["time"] < episode.last_evaluated:
            self._older(episode, values, event, measures)
        else:
            place = (event.get("subject"), event.get("region"))
            self.evaluate(values, event["time"], event, measures, (event["id"],), place)

    def _older(self, episode: Episode, values: tuple[Any, ...], event: Fields, measures: dict[str, Any]) -> None:
        """It may open, but neither closes nor updates (nor counts). With ``hold`` it can open nothing: it is in no run."""
        rule = self.rule
        severity = next((word for word, condition in rule.ladder if holds(condition, event)), None)
        true = (
            holds(rule.when, event)
            and severity is not None
            and not (rule.clear is not None and holds(rule.clear, event))
        )
        if not true or episode.alert or rule.hold:
            return
        assert severity is not None
        episode.alert = self.home.open(
            rule,
            self.key_dict(values),
            event["time"],
            severity,
            measures,
            (event["id"],),
            (event.get("subject"), event.get("region")),
        )
        episode.last_true = episode.last_shown = event["time"]


class Panes(Running):
    """Tumbling and hopping windows: evaluated at each window's end, for every key that has an event in it."""

    waits_past = False

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.events: dict[tuple[Any, ...], list[Fields]] = {}
        self.ends: set[tuple[int, tuple[Any, ...]]] = set()

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None or not holds(self.rule.where, event):
            return
        assert self.rule.window
        _, size, every, offset = self.rule.window
        self.events.setdefault(values, []).append(event)
        start = (event["time"] - offset) // every * every + offset
        while start > event["time"] - size:
            self.ends.add((start + size, values))
            start -= every

    def due(self) -> int | None:
        return min([end for end, _ in self.ends] + self._closings(), default=None)

    def fire(self, at: int) -> None:
        assert self.rule.window
        size = self.rule.window[1]
        for end, values in sorted(self.ends, key=str):
            if end == at:
                self.ends.discard((end, values))
                inside = [event for event in self.events[values] if end - size <= event["time"] < end]
                measures = {name: measure(inside) for name, measure in self.rule.measures.items()}
                before = [event for event in self.events[values] if event["time"] < end]
                self.evaluate(values, end, self.key_dict(values) | measures, measures, (), self.place(values, before))
        super().fire(at)


class Sliding(Running):
    """Evaluated at each released event, over those of its key in (time - size, time] released so far."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.events: dict[tuple[Any, ...], list[Fields]] = {}

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None or not holds(self.rule.where, event):
            return
        assert self.rule.window
        size = self.rule.window[1]
        self.events.setdefault(values, []).append(event)
        inside = [other for other in self.events[values] if event["time"] - size < other["time"]]
        measures = {name: measure(inside) for name, measure in self.rule.measures.items()}
        place = self.place(values, [event])
        self.evaluate(values, event["time"], self.key_dict(values) | measures, measures, (event["id"],), place)


class Absent(Running):
    """Opens at last heard + D; an event of the key closes it."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.heard: dict[tuple[Any, ...], int] = {}
        self.silent: dict[tuple[Any, ...], Alert | None] = {}
        self.events: dict[tuple[Any, ...], list[Fields]] = {}

    def begin(self, at: int) -> None:
        for values in self.rule.expect:
            self.heard[values] = at

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None or not holds(self.rule.where, event):
            return
        self.events.setdefault(values, []).append(event)
        self.heard[values] = max(self.heard.get(values, NEVER), event["time"])
        alert = self.silent.pop(values, None)
        if alert and alert.condition == "active":
            alert.show(alert.severity, {}, (event["id"],), self.place(values, self.events[values]))
            self.home.close(alert, event["time"])

    def due(self) -> int | None:
        return min(
            (heard + self.rule.absent for values, heard in self.heard.items() if values not in self.silent),
            default=None,
        )

    def fire(self, at: int) -> None:
        for values, heard in self.heard.items():
            if values not in self.silent and heard + self.rule.absent == at:
                severity = self.rule.ladder[0][0]
                # Remembered as silent even after a person resolved the alert, until an event comes.
                self.silent[values] = self.home.open(
                    self.rule,
                    self.key_dict(values),
                    at,
                    severity,
                    {},
                    (),
                    self.place(values, self.events.get(values, [])),
                )


@dataclass
class Partial:
    """A partial match: when it began, the steps' events, and so the step it waits for."""

    start: int
    events: list[Fields]


class Sequence(Running):
    """One partial match a key; every match opens an alert of its own."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.partials: dict[tuple[Any, ...], Partial] = {}
        self.open: list[Alert] = []

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        partial = self.partials.get(values)
        if partial is not None and event["time"] > partial.start + self.rule.within:
            self._end(values, partial)
            partial = None
        first = self.rule.sequence[0]
        if partial is None:
            if event["feed"] == first.feed and holds(first.where, event):
                self.partials[values] = Partial(event["time"], [event])
            return
        step = self.rule.sequence[len(partial.events)]
        if step.unless and event["feed"] == step.unless[0] and holds(step.unless[1], event):
            del self.partials[values]
        elif event["feed"] == step.feed and holds(step.where, event):
            if step.absent:
                del self.partials[values]
                return
            partial.events.append(event)
            if len(partial.events) == len(self.rule.sequence):
                del self.partials[values]
                self._match(values, event["time"], partial)

    def _end(self, values: tuple[Any, ...], partial: Partial) -> None:
        """The time is up: what waited for an absence has found it."""
        del self.partials[values]
        if self.rule.sequence[len(partial.events)].absent:
            self._match(values, partial.start + self.rule.within, partial)

    def _match(self, values: tuple[Any, ...], at: int, partial: Partial) -> None:
        severity = self.rule.ladder[0][0]
        alert = self.home.open(
            self.rule,
            self.key_dict(values),
            at,
            severity,
            {},
            tuple(event["id"] for event in partial.events),
            (_newest(partial.events, "subject"), _newest(partial.events, "region")),
        )
        if alert:
            self.open.append(alert)

    def due(self) -> int | None:
        after = self.rule.clear_after
        instants = [partial.start + self.rule.within for partial in self.partials.values()]
        instants += [alert.opened + after for alert in self.open] if after is not None else []
        return min(instants, default=None)

    def fire(self, at: int) -> None:
        for values, partial in list(self.partials.items()):
            if partial.start + self.rule.within == at:
                self._end(values, partial)
        after = self.rule.clear_after
        for alert in list(self.open):
            if after is not None and alert.opened + after == at:
                self.open.remove(alert)
                self.home.close(alert, at)

    def resolved(self, alert: Alert) -> None:
        if alert in self.open:
            self.open.remove(alert)
