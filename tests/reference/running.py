"""A rule at work: events released in (time, arrival) order, and what falls due between them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.reference.alerts import Alert, Ledger, Place
from tests.reference.rule import Fields, Key, RefRule, holds

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Running:
    """A rule with its state."""

    #: Whether what falls due at an instant waits until the watermark has passed it: an event at that instant may still come.
    waits_past = True

    def __init__(self, rule: RefRule, home: Reference) -> None:
        self.rule = rule
        self.home = home
        self.pending: list[Fields] = []

    @property
    def ledger(self) -> Ledger:
        return self.home.ledger

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
                if self.exists(event):
                    self.release(event)
            elif due is not None:
                self.fire(due)
            else:
                return

    def exists(self, event: Fields) -> bool:
        """Events out of the calendar's hours do not exist for the rule, nor do those that ``where`` leaves out."""
        inside = self.rule.only is None or self.rule.only.covers(event["time"])
        return inside and holds(self.rule.where, event)

    def due(self) -> int | None:
        """The earliest instant at which something happens without an event."""
        raise NotImplementedError

    def fire(self, at: int) -> None:
        """Everything that falls due at this instant."""
        raise NotImplementedError

    def release(self, event: Fields) -> None:
        """The rule sees an event."""

    def resolved(self, alert: Alert) -> None:
        """A person's resolve ended the episode."""

    def active(self) -> list[Alert]:
        """The alerts whose condition the rule still holds active."""
        raise NotImplementedError

    def retire(self, at: int, reason: str) -> None:
        """The rule is gone, and with it its alerts' conditions."""
        for alert in self.active():
            self.ledger.close(alert, at, reason)

    # --- keys

    def key_of(self, event: Fields) -> Key | None:
        """The values of ``by``; None for a keyless event."""
        values = tuple(event.get(name) for name in self.rule.by)
        return None if None in values else values

    def key_dict(self, values: Key) -> dict[str, Any]:
        return dict(zip(self.rule.by, values, strict=True))

    def place(self, values: Key, events: Iterable[Fields]) -> Place:
        """Subject and region of an alert: what the key has of them. Decided: where the key has the subject, but no region, the
        alert has the newest region of ``events``: where the subject was last heard.
        """
        key = self.key_dict(values)
        return key.get("subject"), key.get("region", newest(events, "region") if "subject" in key else None)


def newest(events: Iterable[Fields], name: str) -> Any:
    """A field of the newest event that has it."""
    return next((event[name] for event in reversed(list(events)) if event.get(name) is not None), None)
