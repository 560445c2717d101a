"""Many fixtures: in this process, or where there are enough of them spread over a few."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from fengsui.workbench.fixture import Fixture
from fengsui.workbench.trial import Stage, Verdict
from rules.load import load_bundle
from rules.model import RuleSet

#: A process takes two seconds to start, and the typical fixture some milliseconds: below so many there is nothing to gain.
_WORTH_PROCESSES = 1_000
_MOST_PROCESSES = 8
#: A fixture counts as one, and so does each so many events.
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
        processes = 1 if work < _WORTH_PROCESSES else min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    if processes < 2:
        stage = Stage(ruleset)
        return [_timed(stage, fixture) for fixture in fixtures]
    handfuls = list(_handfuls(fixtures))
    # A fresh interpreter each: a copy of this one might copy a lock that a thread of Polars holds.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_open, initargs=(dict(ruleset.bundle),)
    ) as pool:
        made = [trial for trials in pool.map(_perform, handfuls) for trial in trials]
    return [replace(t, verdict=replace(t.verdict, fixture=f)) for t, f in zip(made, fixtures, strict=True)]


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
    """The verdicts, without the fixtures' events: those need not travel twice."""
    assert _stage is not None
    trials = [_timed(_stage, fixture) for fixture in fixtures]
    return [replace(t, verdict=replace(t.verdict, fixture=replace(t.verdict.fixture, puts=()))) for t in trials]
