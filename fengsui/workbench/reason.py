"""A named reason, and what all searches for one share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.answer import Answer
from fengsui.workbench.key_history import LATE, POS, RECEIPT, KeyHistory
from fengsui.workbench.rehearsal import Rehearsal
from rules.model import Expr, Rule
from rules.words.section import Line

Event = dict[str, Any]
#: Events that are shown of many.
SHOWN = 3


@dataclass(frozen=True)
class Reason:
    """Why nothing opened. ``name`` is the same in every language; ``lines``: how it came."""

    name: str
    text: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Case:
    """A rule, a key and a time, with all that happened to the key. ``begun_ms``: since when the rule is in force."""

    answer: Answer
    rule: Rule
    key: Mapping[str, Any]
    at_ms: int
    history: KeyHistory
    begun_ms: int | None
    events: Sequence[Event]
    #: of a rule over alerts, which is played with all the others
    rehearsed: Rehearsal | None = None

    @property
    def mark_ms(self) -> int:
        """Up to where time has gone on for the rule."""
        return min(self.history.marks.values())

    def say(self, zh: str, en: str) -> str:
        return self.answer.say(zh, en)

    def matching(self, condition: Expr | None, feed: str) -> list[Event]:
        """The key's events of a feed for which the condition holds, within the rule's hours, in order of arrival."""
        own = [event for event in self.events if event["feed"] == feed]
        only = self.rule.only if self.rule.kind != "absent" else None
        return [
            event
            for event, holds in zip(own, self.answer.judge.holding(condition, feed, own), strict=True)
            if holds and (only is None or only.covers(event["time"]))
        ]

    def nearest(self, events: Sequence[Event]) -> Event:
        """The last event up to the time in question, else the first one after."""
        return nearest(events, self.at_ms)

    def told(self, event: Event, *, late: bool = False) -> str:
        """An event in one line, and how late it was."""
        fields = self.answer.read_fields(self.rule.where, self.rule.when) if self.rule.feed == event["feed"] else ()
        text = self.answer.event(plain(event), fields)
        if not late or event[RECEIPT] is None:
            return text
        delay = self.answer.time(max(0, event[RECEIPT] - event["time"]))
        return text + self.say(
            f"；到达 {self.answer.at(event[RECEIPT])}，晚了 {delay}",
            f"; came {self.answer.at(event[RECEIPT])}, {delay} later",
        )

    def some(self, events: Sequence[Event], *, late: bool = False) -> Line:
        ordered = sorted(events, key=lambda event: abs(event["time"] - self.at_ms))[:SHOWN]
        lead = self.say(f"最近的（共 {len(events)} 个）：", f"The nearest of {len(events)}:")
        return Line(
            lead, tuple(self.told(event, late=late) for event in sorted(ordered, key=lambda event: event["time"]))
        )

    def late(self, events: Sequence[Event]) -> Reason:
        feed = self.answer.catalog.feed(self.rule.feed)
        wait = self.answer.time(feed.lateness_ms)
        text = self.say(
            f"事件来得太晚：同类数据的时间已走过它们 {wait}以上，窗口不再等，所以没有算进去。",
            f"The events came too late: the feed had gone on by more than {wait}, so windows no longer waited for them.",
        )
        return Reason("late", text, (self.some(events, late=True),))


def nearest(events: Sequence[Event], at_ms: int) -> Event:
    before = [event for event in events if event["time"] <= at_ms]
    if before:
        return max(before, key=lambda event: (event["time"], event[POS]))
    return min(events, key=lambda event: (event["time"], event[POS]))


def plain(event: Event) -> Event:
    """The event without what was put beside its fields."""
    return {name: given for name, given in event.items() if not name.startswith(" ")}


def on_time(events: Sequence[Event]) -> list[Event]:
    """In the order in which all kinds but each see them."""
    return sorted((event for event in events if not event[LATE]), key=lambda event: (event["time"], event[POS]))


def covering(transitions: Sequence[Transition], at_ms: int) -> tuple[Transition, int] | None:
    """Of the transitions of one key, the opening of the alert whose condition was active at an instant, and when it opened."""
    found: tuple[Transition, int] | None = None
    for one in sorted(transitions, key=lambda one: (parse_instant(one.at), one.n)):
        when = parse_instant(one.at)
        if when > at_ms:
            break
        if one.type == "opened":
            found = (one, when)
        elif found is not None and one.alert == found[0].alert and one.type in ("closed", "resolved"):
            found = None
    return found
