"""Pace of a backtest over the store, against ``replay`` of the same events from a file, by the same rules.

    python -m benchmarks.backtest [--events N]

In events a second of processor time, all threads together, which neighbours on a shared machine disturb least; and by the clock,
with the store reading a page while the engine works on the one before. The pace is the slope between a fifth of the events and all
of them, each the best of three, so that start-up does not count.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.replay import RULES, START_MS, write
from fengsui.workbench.backtest import Span, StoredRun
from rules.load import load_rules
from rules.model import RuleSet
from sinks.store.store import Store
from streams.log.entry import Entry, events_entry
from streams.replay import replay

_BATCH = 20_000
#: one reading a key and minute
_KEYS = 10_000
_DAY_MS = 86_400_000


def fill(store: Store, path: Path, events: int) -> None:
    """The file's events as a log would have them, received as they happened."""
    lines = path.read_bytes().splitlines(keepends=True)
    for start in range(0, events, _BATCH):
        some = lines[start : start + _BATCH]
        new = events_entry(b"".join(some), count=len(some), at_ms=START_MS + (start + len(some)) * 60_000 // 10_000)
        store.insert_log([Entry(start + len(some), new.count, new.kind, new.at_ms, new.payload)])


def backtest(store: Store, ruleset: RuleSet, events: int) -> None:
    """The first so many events of the store through the rules."""
    ids = frozenset(rule.id for rule in ruleset.rules)
    end_ms = START_MS + events * 60_000 // 10_000
    run = StoredRun(store.history, "store", ruleset, ids, Span(START_MS - _DAY_MS, end_ms))
    run.play(ruleset, ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_500_000)
    options = parser.parse_args()
    ruleset = load_rules({"bench.yaml": RULES})
    with tempfile.TemporaryDirectory() as folder:
        sizes = (options.events // 5, options.events)
        short, long = (Path(folder, f"{n}.ndjson") for n in sizes)
        for path, n in zip((short, long), sizes, strict=True):
            write(path, n, _KEYS)
        with Store.open(f"chdb://{Path(folder, 'store')}") as store:
            fill(store, long, options.events)
            replay([short], ruleset, io.BytesIO())  # compile, fill caches
            backtest(store, ruleset, sizes[0])
            print(f"{f'{len(ruleset.rules)} rules of 5 kinds, {_KEYS:,} keys':44s} {'events/s':>12s}")
            for name, clock in (("processor time", time.process_time), ("by the clock", time.perf_counter)):
                more = sizes[1] - sizes[0]
                from_file = more / (
                    _best(lambda: replay([long], ruleset, io.BytesIO()), clock)
                    - _best(lambda: replay([short], ruleset, io.BytesIO()), clock)
                )
                from_store = more / (
                    _best(lambda: backtest(store, ruleset, sizes[1]), clock)
                    - _best(lambda: backtest(store, ruleset, sizes[0]), clock)
                )
                print(f"{f'replay of the file, {name}':44s} {from_file:12,.0f}")
                print(f"{f'backtest of the store, {name}':44s} {from_store:12,.0f}   {from_store / from_file:.2f}")


def _best(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the fastest of three runs."""
    took = []
    for _ in range(3):
        began = clock()
        work()
        took.append(clock() - began)
    return min(took)


if __name__ == "__main__":
    main()
