"""Timelines for engine tests: events in short notation in, what happened out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from events.decode import Decoder
from events.record import Act, End, EventBatch, Record, Tick, Verb
from events.transition import Transition
from rules.load import load_rules
from streams.engine import Engine

#: 2026-01-01T00:00:00Z, a whole hour and day of UTC
T0 = 1_767_225_600_000


def seconds(at: str) -> float:
    """``at`` of a transition as seconds from T0."""
    from events.times import parse_instant

    return (parse_instant(at) - T0) / 1000


class Timeline:
    """An engine over one rule (its keys given as YAML text), fed event by event. ``beside``: other files by name."""

    def __init__(self, *rules: str, feeds: str | None = None, beside: Mapping[str, str] | None = None) -> None:
        head = "  - title: {zh: 试验, en: Trial}\n    domain: environment\n    summary: {zh: '试验', en: 'trial'}\n"
        files = {
            f"{i}.yaml": "rules:\n" + head + "".join(f"    {line}\n" for line in body.strip().splitlines())
            for i, body in enumerate(rules)
        }
        if feeds:
            files["feeds.yaml"] = feeds
        self.ruleset = load_rules({**files, **(beside or {})})
        self.engine = Engine(self.ruleset)
        self.decoder = Decoder(self.ruleset.catalog)
        self.pos = 0
        self.made: list[Transition] = []
        self.refusals: list[tuple[str, str]] = []
        self.fates: dict[tuple[str, str, str], int] = {}

    def step(self, record: Record) -> list[Transition]:
        outcome = self.engine.step([record])
        self.made += outcome.transitions
        self.refusals += outcome.refusals
        for name, count in outcome.fates.items():
            self.fates[name] = self.fates.get(name, 0) + count
        return outcome.transitions

    def events(self, events: Sequence[dict[str, Any]], receipts: Sequence[float] | None = None) -> list[Transition]:
        """Events with ``t`` in seconds from T0; feed sensor, subject s and metric m unless they say otherwise."""
        lines = []
        for event in events:
            self.pos += 1
            full = {"id": f"e{self.pos}", "feed": "sensor", "source": "test", "subject": "s", **event}
            if full["feed"] == "sensor":
                full.setdefault("metric", "m")
            full["time"] = T0 + round(full.pop("t") * 1000)
            lines.append(
                json.dumps({name: value for name, value in full.items() if value is not None}, ensure_ascii=False)
            )
        decoded = self.decoder.decode("\n".join(lines).encode())
        assert not decoded.rejected, decoded.rejected
        first = self.pos - len(lines) + 1
        pos = pl.int_range(first, self.pos + 1, eager=True)
        receipt = None if receipts is None else pl.Series([T0 + round(r * 1000) for r in receipts], dtype=pl.Int64)
        return self.step(EventBatch(decoded.frame, pos, receipt))

    def values(self, *pairs: tuple[float, float | None], **more: Any) -> list[Transition]:
        """Sensor readings as (t, value)."""
        return self.events([{"t": t, "value": value, **more} for t, value in pairs])

    def tick(self, t: float) -> list[Transition]:
        self.pos += 1
        return self.step(Tick(self.pos, T0 + round(t * 1000)))

    def act(self, verb: Verb, alert: str, t: float = 0, by: str = "officer", **more: Any) -> list[Transition]:
        self.pos += 1
        return self.step(Act(self.pos, T0 + round(t * 1000), f"act{self.pos}", alert, verb, by, **more))

    def end(self, t: float | None = None) -> list[Transition]:
        self.pos += 1
        return self.step(End(self.pos, None if t is None else T0 + round(t * 1000)))


def told(transitions: Sequence[Transition]) -> list[tuple[str, float]]:
    """(type, seconds from T0) of each."""
    return [(t.type, seconds(t.at)) for t in transitions]
