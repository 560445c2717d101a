"""The engine against a slow reference of the contract, over random rule sets and streams.

``FENGSUI_CASES=5000 pytest tests/test_engine_properties.py`` looks further than ``make test`` does. A failure prints the
shrunken case as rule files and events, and a ``@reproduce_failure`` line that plays it again.
"""

from __future__ import annotations

import os
import random

import msgspec
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from events.record import Activation, EventBatch, Record
from events.transition import Transition
from rules.load import load_rules
from rules.model import RuleSet
from tests.playing import Outcome, compare, play, records, run, steps
from tests.strategies.case import Case, RuleFiles
from tests.strategies.sets import cases
from tests.strategies.world import BASE_MS

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
#: of the first property; the others, which play a case several times, take a part of it
CASES = int(os.environ.get("FENGSUI_CASES") or (1600 if NIGHTLY else 120))


def looked_at(count: int) -> settings:
    return settings(
        max_examples=max(count, 1),
        deadline=None,
        print_blob=True,
        # No explaining: it traces every line, and the engine has compiled ones.
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        # `make test` is the same every time; a longer look goes where none was before.
        derandomize=CASES <= 120,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


@looked_at(CASES)
@given(cases(), st.integers(0, 2**32))
def test_the_engine_does_what_the_contract_says(case: Case, seed: int) -> None:
    """Transitions, their order and causes, refusals and late events are those of the reference, however the log is cut and
    wherever the engine is restarted from a snapshot."""
    played = play(case)
    cut = random.Random(seed) if seed else None
    calls = steps(records(played, cut, likely=0.3), cut)
    compare(played, run(played, calls, restart=cut if seed % 2 else None))


@looked_at(CASES // 4)
@given(cases(), st.integers(0, 2**32))
def test_any_cut_into_batches_gives_the_same_bytes(case: Case, seed: int) -> None:
    """All at once, event by event, or anyhow and with restarts: not a byte of the transitions changes."""
    played = play(case)
    whole = run(played, steps(records(played, None, likely=0.0), None)).lines()
    single = run(played, [[record] for record in records(played, random.Random(0), likely=1.0)]).lines()
    assert single == whole, repr(case)
    cut = random.Random(seed)
    assert run(played, steps(records(played, cut, likely=0.3), cut), restart=cut).lines() == whole, repr(case)


@looked_at(CASES // 4)
@given(cases(changes=False), st.integers(0, 2**32))
def test_a_reload_of_the_same_meaning_changes_nothing(case: Case, seed: int) -> None:
    """Other titles, files and order are no other rules: whenever they are loaded again, every rule goes on where it was."""
    played = play(case)
    whole = run(played, steps(records(played, None, likely=0.0), None))
    renamed = dict(_renamed(case.sets[0]).bundle)
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


def _renamed(before: RuleFiles) -> RuleSet:
    file = yaml.safe_load(before.files["rules.yaml"])
    turned = [
        dict(reversed((rule | {"title": {"zh": "另一题", "en": "Another title"}}).items()))
        for rule in file["rules"][::-1]
    ]
    text = yaml.safe_dump(file | {"rules": turned}, sort_keys=False, allow_unicode=True)
    return load_rules({n: t for n, t in before.files.items() if n != "rules.yaml"} | {"other/place.yaml": text})


def _untitled(outcome: Outcome) -> list[tuple[int, Transition]]:
    plain = [msgspec.structs.replace(one, title={}, summary={}) for one in outcome.transitions]
    return list(zip(outcome.causes, plain, strict=True))
