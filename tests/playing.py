"""A case played twice: by the reference, and by the engine over the same log, cut and restarted anyhow; and the two compared."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from events.decode import Decoder
from events.record import Act, Activation, End, EventBatch, Record, Tick
from events.times import parse_instant
from events.transition import Transition, encode
from rules.load import load_rules
from rules.model import RuleSet
from streams.dedupe import Dedupe
from streams.engine import Engine
from tests.reference.evaluator import Reference
from tests.strategies.case import Case, line

Control = Tick | Act | Activation | End


@dataclass
class Play:
    """A case as a log: what the reference made of it, and the records that the engine is to read."""

    case: Case
    rulesets: list[RuleSet]
    expected: list[dict[str, Any]]
    refused: list[str]
    late: dict[tuple[str, str], int]
    frame: pl.DataFrame
    receipts: pl.Series | None
    #: a row of the frame, or a control record; with its position
    log: list[tuple[int, int | Control]] = field(default_factory=list)


def play(case: Case) -> Play:
    """The reference's transitions, and the log as gateway and replay would write it: decoded, with repeats taken out."""
    reference = Reference([] if case.live else case.sets[0].rules, case.feeds, dedupe=True)
    reference.tables = case.sets[0].tables
    rulesets = [load_rules(one.files) for one in case.sets]
    events = [op[1] for op in case.ops if op[0] == "event"]
    decoded = Decoder(rulesets[0].catalog).decode(b"\n".join(map(line, events)))
    assert not decoded.rejected, decoded.rejected
    expected: list[dict[str, Any]] = []
    log: list[tuple[int, int | Control]] = []
    fresh: list[bool] = []
    clocks: list[int] = []
    for number, op in enumerate(case.ops, 1):
        pos = 10 * number
        if op[0] == "event":
            seen = reference.duplicates
            expected += reference.step(("event", pos, op[1]))
            clocks.append(max(reference.marks.clock, min(op[1]["time"], op[1].get("receipt", op[1]["time"]))))
            fresh.append(reference.duplicates == seen)
            if fresh[-1]:
                log.append((pos, len(fresh) - 1))
        elif op[0] == "tick":
            expected += reference.step((op[0], pos, op[1]))
            log.append((pos, Tick(pos, op[1])))
        elif op[0] == "rules":
            _, at, which = op
            expected += reference.step(("rules", pos, (at, case.sets[which].rules, case.sets[which].tables)))
            log.append((pos, Activation(pos, at, dict(rulesets[which].bundle))))
        elif op[0] == "act":
            ids = list(reference.ledger.alerts) or ["0123456789abcdef"]
            act = {"id": f"act-{pos}", "verb": op[1], "alert": ids[-1 - op[2] % len(ids)], "at": op[3], "by": "duty"}
            act |= {"to": "unit-7"} if op[1] == "assign" else {"note": "seen"}
            expected += reference.step(("act", pos, act))
            log.append((pos, Act(pos, op[3], act["id"], act["alert"], op[1], "duty", act.get("note"), act.get("to"))))
        else:
            expected += reference.step(("end", pos, op[1]))
            log.append((pos, End(pos, op[1])))
    if events:
        assert Dedupe().fresh(decoded.frame, np.array(clocks)).tolist() == fresh
    receipts = (
        pl.Series([event["receipt"] for event in events], dtype=pl.Int64) if "receipt" in (events or [{}])[0] else None
    )
    return Play(case, rulesets, expected, reference.refused, reference.late, decoded.frame, receipts, log)


# --- cutting ----------------------------------------------------------------------------------------------------------


def records(played: Play, cut: random.Random | None, *, likely: float) -> list[Record]:
    """The log in records: runs of events in one batch each, cut here and there (with ``likely`` 1.0, everywhere)."""
    found: list[Record] = []
    rows: list[tuple[int, int]] = []

    def flush() -> None:
        if rows:
            index = [row for _, row in rows]
            pos = pl.Series([pos for pos, _ in rows], dtype=pl.Int64)
            found.append(
                EventBatch(played.frame[index], pos, None if played.receipts is None else played.receipts[index])
            )
            rows.clear()

    for pos, body in played.log:
        if isinstance(body, int):
            rows.append((pos, body))
            if cut is not None and cut.random() < likely:
                flush()
        else:
            flush()
            found.append(body)
    flush()
    return found


def steps(found: list[Record], cut: random.Random | None) -> list[list[Record]]:
    """The records in calls of ``step``: one call for all without ``cut``, else a few records each."""
    if cut is None:
        return [found]
    calls: list[list[Record]] = [[]]
    for record in found:
        if cut.random() < 0.5:
            calls.append([])
        calls[-1].append(record)
    return calls


@dataclass
class Outcome:
    transitions: list[Transition] = field(default_factory=list)
    causes: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    late: Counter[tuple[str, str]] = field(default_factory=Counter)

    def lines(self) -> list[bytes]:
        return [b"%d %s" % (cause, encode(one)) for cause, one in zip(self.causes, self.transitions, strict=True)]


def run(played: Play, calls: list[list[Record]], *, restart: random.Random | None = None) -> Outcome:
    """The engine over these calls; with ``restart``, some of them by an engine that was restored from a snapshot."""
    engine = Engine(load_rules({}) if played.case.live else played.rulesets[0])
    outcome = Outcome()
    for call in calls:
        if restart is not None and restart.random() < 0.3:
            engine = Engine.restore(engine.snapshot())
        out = engine.step(call)
        outcome.transitions += out.transitions
        outcome.causes += [int(cause) for cause in out.causes]
        outcome.refused += [act for act, _ in out.refusals]
        for (feed, source, fate), count in out.fates.items():
            if fate == "late":
                outcome.late[feed, source] += count
    return outcome


# --- comparing --------------------------------------------------------------------------------------------------------


def compare(played: Play, outcome: Outcome) -> None:
    """Transitions, their order and causes, refusals and late events are those of the reference."""
    kinds = {rule.id: rule.kind for one in played.case.sets for rule in one.rules}
    for index in range(max(len(played.expected), len(outcome.transitions))):
        want = played.expected[index] if index < len(played.expected) else None
        got = None
        if index < len(outcome.transitions):
            transition = outcome.transitions[index]
            got = shown(transition, outcome.causes[index], measures=kinds[transition.rule] != "absent")
        if want is not None and got is not None:
            want = {name: want[name] for name in got}
            if got["type"] != "assigned":
                got["to"] = None  # An alert may go on showing to whom it was assigned.
        alike = want is not None and got is not None and same(want, got)
        assert alike, _difference(played, index, want, got)
    assert outcome.refused == played.refused, (outcome.refused, played.refused, played.case)
    assert dict(outcome.late) == played.late, (dict(outcome.late), played.late, played.case)


def shown(transition: Transition, cause: int, *, measures: bool) -> dict[str, Any]:
    """A transition in the reference's words. Which events stand behind it is compared for single triggers and sequences."""
    of_rule = measures and transition.type in ("opened", "updated", "escalated", "closed")
    return {
        "cause": cause,
        "at": parse_instant(transition.at),
        "rule": transition.rule,
        "key": transition.key,
        "type": transition.type,
        "alert": transition.alert,
        "n": transition.n,
        "severity": transition.severity,
        "count": transition.count,
        "condition": transition.condition,
        "state": transition.state,
        "opened": parse_instant(transition.opened_at),
        "closed": parse_instant(transition.closed_at) if transition.closed_at else None,
        "subject": transition.subject,
        "region": transition.region,
        "shadow": transition.shadow,
        "reason": transition.reason,
        "act": transition.act,
        "by": transition.by,
        "note": transition.note,
        "to": transition.to,
    } | ({"measures": transition.measures, "events": transition.evidence.events} if of_rule else {})


def same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of a float."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None or isinstance(one, str) or isinstance(other, str):
            return False
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _difference(played: Play, index: int, want: Any, got: Any) -> str:
    before = [
        f"{t['cause']:>4} {t['at']} {t['rule']} {t['key']} {t['type']} n={t['n']}" for t in played.expected[:index]
    ]
    return "\n".join(
        [
            f"transition {index + 1} differs",
            f"contract: {want}",
            f"engine:   {got}",
            "before it:",
            *before[-8:],
            repr(played.case),
        ]
    )
