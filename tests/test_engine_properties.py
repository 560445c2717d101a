"""The engine against a slow reference of the contract, over random rule sets and streams.

``FENGSUI_CASES=5000 pytest tests/test_engine_properties.py`` looks further than ``make test`` does. A failure prints the
shrunken case as rule files and events, and a ``@reproduce_failure`` line that plays it again.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from events.decode import Decoder
from events.record import Act, Activation, End, EventBatch, Record, Tick
from events.times import parse_instant
from events.transition import Transition, encode
from rules.load import load_rules
from rules.model import RuleSet
from streams.dedupe import Dedupe
from streams.engine import Engine
from tests.reference.evaluator import Reference
from tests.strategies import BASE_MS, Case, cases, line

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CASES = int(os.environ.get("FENGSUI_CASES") or (600 if NIGHTLY else 60))
slowly = settings(
    max_examples=CASES,
    deadline=None,
    print_blob=True,
    # No explaining: it traces every line, and the engine has compiled ones.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    # `make test` is the same every time; a longer look goes where none was before.
    derandomize=CASES <= 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@dataclass
class Play:
    """A case as a log: what the reference made of it, and the records that the engine is to read."""

    case: Case
    ruleset: RuleSet
    expected: list[dict[str, Any]]
    refused: list[str]
    late: dict[tuple[str, str], int]
    frame: pl.DataFrame
    receipts: pl.Series | None
    #: a row of the frame, or a control record; with its position
    log: list[tuple[int, int | Tick | Act | Activation | End]] = field(default_factory=list)


def play(case: Case) -> Play:
    """The reference's transitions, and the log as gateway and replay would write it: decoded, with repeats taken out."""
    live = bool(case.ops) and case.ops[0][0] == "rules"
    reference = Reference([] if live else case.rules, case.feeds, dedupe=True)
    ruleset = load_rules(case.files)
    events = [op[1] for op in case.ops if op[0] == "event"]
    decoded = Decoder(ruleset.catalog).decode(b"\n".join(map(line, events)))
    assert not decoded.rejected, decoded.rejected
    expected: list[dict[str, Any]] = []
    log: list[tuple[int, int | Tick | Act | Activation | End]] = []
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
            expected += reference.step(("rules", pos, (op[1], case.rules, {})))
            log.append((pos, Activation(pos, op[1], dict(ruleset.bundle))))
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
    return Play(case, ruleset, expected, reference.refused, reference.late, decoded.frame, receipts, log)


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
    live = bool(played.log) and isinstance(played.log[0][1], Activation)
    engine = Engine(load_rules({}) if live else played.ruleset)
    outcome = Outcome()
    for call in calls:
        if restart is not None and restart.random() < 0.5:
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


def shown(transition: Transition, cause: int, *, measures: bool) -> dict[str, Any]:
    """A transition in the reference's words. Which events stand behind it is compared for single triggers and sequences."""
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
        "act": transition.act,
        "by": transition.by,
        "note": transition.note,
        "to": transition.to,
    } | ({"measures": transition.measures, "events": transition.evidence.events} if measures else {})


def same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of a float."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None or isinstance(one, str) or isinstance(other, str):
            return False
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def compare(played: Play, outcome: Outcome) -> None:
    kinds = {rule.id: rule for rule in played.case.rules}
    for index in range(max(len(played.expected), len(outcome.transitions))):
        want = played.expected[index] if index < len(played.expected) else None
        got = None
        if index < len(outcome.transitions):
            transition = outcome.transitions[index]
            opening = transition.type in ("opened", "updated", "escalated", "closed")
            got = shown(transition, outcome.causes[index], measures=opening and kinds[transition.rule].kind != "absent")
        if want is not None and got is not None:
            want = {name: want[name] for name in got}
            if got["type"] != "assigned":
                got["to"] = None  # An alert may go on showing to whom it was assigned.
        alike = want is not None and got is not None and same(want, got)
        assert alike, _difference(played, index, want, got)
    assert outcome.refused == played.refused
    assert dict(outcome.late) == played.late


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
            "log:",
            *[f"{pos}: {body if not isinstance(body, int) else 'event ' + str(body)}" for pos, body in played.log],
        ]
    )


# --- properties -------------------------------------------------------------------------------------------------------


@slowly
@given(cases(), st.integers(0, 2**32))
def test_the_engine_does_what_the_contract_says(case: Case, seed: int) -> None:
    """Transitions, their order and causes, refusals and late events are those of the reference."""
    played = play(case)
    cut = random.Random(seed) if seed else None
    compare(played, run(played, steps(records(played, cut, likely=0.1), cut)))


@slowly
@given(cases(), st.integers(0, 2**32))
def test_any_cut_into_batches_gives_the_same_bytes(case: Case, seed: int) -> None:
    """All at once, event by event, or anyhow: not a byte of the transitions changes."""
    played = play(case)
    whole = run(played, steps(records(played, None, likely=0.0), None)).lines()
    single = run(played, [[record] for record in records(played, random.Random(0), likely=1.0)]).lines()
    assert single == whole, repr(case)
    cut = random.Random(seed)
    assert run(played, steps(records(played, cut, likely=0.3), cut)).lines() == whole, repr(case)


@slowly
@given(cases(), st.integers(0, 2**32))
def test_a_restart_from_a_snapshot_changes_nothing(case: Case, seed: int) -> None:
    """An engine that is restored from its snapshot between any two steps goes on as if nothing had happened."""
    played = play(case)
    whole = run(played, steps(records(played, None, likely=0.0), None)).lines()
    cut = random.Random(seed)
    calls = [[record] for record in records(played, cut, likely=0.4)]
    assert run(played, calls, restart=cut).lines() == whole, repr(case)


@slowly
@given(cases(), st.integers(0, 2**32))
def test_a_reload_of_the_same_meaning_changes_nothing(case: Case, seed: int) -> None:
    """Other titles, files and order are no other rules: whenever they are loaded again, every rule goes on where it was."""
    played = play(case)
    whole = run(played, steps(records(played, None, likely=0.0), None))
    renamed = dict(_renamed(case).bundle)
    cut = random.Random(seed)
    found: list[Record] = []
    for record in records(played, cut, likely=0.2):
        # The first activation is when rules come into force, and with it what they expect: that one stays where it is.
        if found and cut.random() < 0.2:
            pos = int(record.pos[0]) if isinstance(record, EventBatch) else record.pos
            found.append(Activation(pos - 1, BASE_MS, renamed))
        found.append(record)
    reloaded = run(played, [[record] for record in found], restart=cut)
    assert _untitled(reloaded) == _untitled(whole), repr(case)


def _renamed(case: Case) -> RuleSet:
    rules = yaml.safe_load(case.rules_yaml)["rules"]
    turned = [
        dict(reversed((rule | {"title": {"zh": "另一题", "en": "Another title"}}).items())) for rule in rules[::-1]
    ]
    text = yaml.safe_dump({"rules": turned}, sort_keys=False, allow_unicode=True)
    return load_rules({"feeds.yaml": case.feeds_yaml, "other/place.yaml": text})


def _untitled(outcome: Outcome) -> list[tuple[int, Transition]]:
    plain = [msgspec.structs.replace(one, title={}, summary={}) for one in outcome.transitions]
    return list(zip(outcome.causes, plain, strict=True))
