"""Session windows: events of one key with no gap longer than G between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.reference.episodes import Episodic
from tests.reference.rule import Fields, Key, RefRule

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


@dataclass
class Session:
    events: list[Fields]
    end: int


class Sessions(Episodic):
    """A session ends at its last event + G, or when it has lasted as long as it may; what comes at its very end still joins."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.sessions: dict[Key, Session] = {}
        self.events: dict[Key, list[Fields]] = {}

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        window = self.rule.window
        assert window
        self.events.setdefault(values, []).append(event)
        session = self.sessions.get(values)
        # One that has ended before this event has been judged by now.
        assert session is None or event["time"] <= session.end
        if session is None:
            session = self.sessions[values] = Session([], 0)
        session.events.append(event)
        first = session.events[0]["time"]
        session.end = min(event["time"] + window.size, first + window.longest)

    def due(self) -> int | None:
        return min([session.end for session in self.sessions.values()] + self.closings(), default=None)

    def fire(self, at: int) -> None:
        for values, session in list(self.sessions.items()):
            if session.end == at:
                del self.sessions[values]
                measures = {name: measure(session.events) for name, measure in self.rule.measures.items()}
                fields = self.home.visible(self.key_dict(values) | measures)
                self.evaluate(values, at, fields, measures, (), self.place(values, self.events[values]))
        super().fire(at)
