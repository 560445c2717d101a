"""The engine against the reference over cases from seeds: many small ones, a few of thousands of events, and some of late events.

They are cheaper to draw than those of ``test_engine_properties.py``, and bigger: what rules share, what grows, is forgotten or
compacted shows only there. A failure prints its seed, the command that plays it again, and the case with all left out that it
fails without.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.playing import compare, play, records, run, steps
from tests.shrinking import shrunken
from tests.strategies.case import Case
from tests.strategies.crowd import crowd

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
#: Plays one case again, whichever test it failed in.
SEED = os.environ.get("FENGSUI_SEED")
CASES = int(os.environ.get("FENGSUI_CROWDS") or (7700 if NIGHTLY else 120))
STRETCHES = 60 if NIGHTLY else 12


def check(case: Case, seed: int) -> None:
    """Cut and restarted here and there; ``seed`` says where."""
    cut = random.Random(seed)
    played = play(case)
    calls = steps(records(played, cut, likely=cut.choice([0.0, 0.02, 0.3])), cut)
    compare(played, run(played, calls, restart=cut if seed % 2 else None))


def check_seed(seed: int, *, large: bool = False, late: bool = False) -> None:
    case = crowd(seed, large=large, late=late)
    try:
        check(case, seed)
    except Exception as error:
        kind = type(error)
        small = shrunken(case, lambda other: _fails(other, seed, kind), tries=100 if large else 400)
        which = "large" if large else "late" if late else "small"
        again = f"FENGSUI_SEED={seed} python -m pytest tests/test_engine_crowds.py -k {which}"
        print(f"seed {seed}; to play it again: {again}\n{small!r}")
        check(small, seed)
        raise


def _fails(case: Case, seed: int, kind: type[Exception]) -> bool:
    try:
        check(case, seed)
    except kind:
        return True
    except Exception:
        return False
    return False


def seeds(stretch: int, count: int) -> list[int]:
    """`make test` is the same every time; a longer look goes where none was before."""
    if SEED is not None:
        return [int(SEED)] if stretch == 0 else []
    begin = random.SystemRandom().randrange(2**40) if NIGHTLY else 1_000 * stretch
    return list(range(begin, begin + count))


@pytest.mark.parametrize("stretch", range(STRETCHES))
def test_small_cases_from_seeds(stretch: int) -> None:
    """Every transition of a few rules over a hundred events is that of the reference."""
    for seed in seeds(stretch, CASES // STRETCHES):
        check_seed(seed)


@pytest.mark.parametrize("stretch", range(STRETCHES if NIGHTLY else 1))
def test_large_cases_from_seeds(stretch: int) -> None:
    """So is every one of a score of rules over thousands of events of dozens of keys."""
    for seed in seeds(stretch, 2):
        check_seed(seed, large=True)


@pytest.mark.parametrize("stretch", range(STRETCHES // 2 if NIGHTLY else 1))
def test_late_cases_from_seeds(stretch: int) -> None:
    """So is every one of rules that see events of any age, where these often come long after their time."""
    for seed in seeds(stretch, 20):
        check_seed(seed, late=True)
