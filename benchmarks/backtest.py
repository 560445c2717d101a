"""Pace of a backtest over the store, against ``replay`` of the same events from a file, by the same rules.

    python -m benchmarks.backtest [--events N]

Once on one pinned core, and once on all there are: there the store reads a page while the engine works on the one before. The
pace is the slope between a fifth of the events and all of them, each the best of three, so that start-up does not count.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from benchmarks.replay import RULES, START_MS, best, write
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
    cores = os.sched_getaffinity(0)
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
            print(f"{f'{len(ruleset.rules)} rules of 5 kinds, {_KEYS:,} keys':48s} {'events/s':>12s}")
            for name, allowed in (("one pinned core", {min(cores)}), (f"{len(cores)} cores", cores)):
                # Threads that are there already keep what they were given, so each run gets it anew.
                for task in Path("/proc/self/task").iterdir():
                    with suppress(ProcessLookupError):
                        os.sched_setaffinity(int(task.name), allowed)
                more = sizes[1] - sizes[0]
                from_file = more / (
                    best(lambda: replay([long], ruleset, io.BytesIO()))
                    - best(lambda: replay([short], ruleset, io.BytesIO()))
                )
                from_store = more / (
                    best(lambda: backtest(store, ruleset, sizes[1])) - best(lambda: backtest(store, ruleset, sizes[0]))
                )
                print(f"{f'{name}: replay of the file':48s} {from_file:12,.0f}")
                print(f"{f'{name}: backtest of the store':48s} {from_store:12,.0f}   {from_store / from_file:.2f}")


if __name__ == "__main__":
    main()
