"""Many fixtures: in this process, or where there are enough of them spread over a few."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from fengsui.workbench.fixture import Fixture
from fengsui.workbench.trial import Stage, Verdict
from rules.load import load_bundle
from rules.model import RuleSet

#: A process takes one to two seconds to start, and the typical fixture a few milliseconds.
_WORTH_A_PROCESS = 400
#: A fixture counts as one, and so does each of so many events.
_EVENTS = 10_000
#: Fixtures handed over at a time.
_HANDFUL = 20


@dataclass(frozen=True)
class Trial:
    """A verdict and the wall time that it took."""

    verdict: Verdict
    seconds: float


def run_trials(fixtures: Sequence[Fixture], ruleset: RuleSet, *, processes: int | None = None) -> list[Trial]:
    """In the order given. ``processes``: None for as many as are worth their start."""
    if processes is None:
        work = len(fixtures) + sum(len(fixture.puts) for fixture in fixtures) // _EVENTS
        processes = min(len(os.sched_getaffinity(0)), work // _WORTH_A_PROCESS)
    if processes < 2:
        stage = Stage(ruleset)
        return [_timed(stage, fixture) for fixture in fixtures]
    handfuls = list(_handfuls(fixtures))
    # A fresh interpreter each: a copy of this one might copy a lock that a thread of Polars holds.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_open, initargs=(dict(ruleset.bundle),)
    ) as pool:
        return [trial for trials in pool.map(_perform, handfuls) for trial in trials]


def _handfuls(fixtures: Sequence[Fixture]) -> Iterator[Sequence[Fixture]]:
    for begin in range(0, len(fixtures), _HANDFUL):
        yield fixtures[begin : begin + _HANDFUL]


def _timed(stage: Stage, fixture: Fixture) -> Trial:
    began = time.perf_counter()
    return Trial(stage.run(fixture), time.perf_counter() - began)


# --- in a process of the pool: one stage each

_stage: Stage | None = None


def _open(bundle: dict[str, object]) -> None:
    global _stage
    _stage = Stage(load_bundle(bundle))


def _perform(fixtures: Sequence[Fixture]) -> list[Trial]:
    assert _stage is not None
    return [_timed(_stage, fixture) for fixture in fixtures]
