"""Pace of ``replay`` with one rule of each kind, against ``pl.read_ndjson`` alone on the same file, on one pinned core.

    python -m benchmarks.replay [--events N] [--keys N]

The pace is the slope between a short and a long run, each the best of three, so that start-up does not count.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl

from rules.load import load_rules
from streams.replay import replay

START_MS = 1_767_225_600_000
RULES = """
rules:
  - id: bench.each
    title: {zh: 逐条, en: each}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    when: value > 999
    severity: {red: value > 9999, orange: true}
    summary: {zh: "{subject}", en: "{subject}"}
  - id: bench.tumbling
    title: {zh: 滚动, en: tumbling}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    window: {tumbling: 1m}
    measure: {mean: avg(value), n: count(*)}
    when: mean > 999
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
  - id: bench.hopping
    title: {zh: 跳跃, en: hopping}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    window: {hopping: 5m, every: 1m}
    measure: {n: count(*), spread: stddev(value)}
    when: n > 999
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
  - id: bench.sliding
    title: {zh: 滑动, en: sliding}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    window: {sliding: 5m}
    measure: {high: max(value)}
    when: high > 999
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
  - id: bench.absent
    title: {zh: 失联, en: absent}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    absent: 1d
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
  - id: bench.sequence
    title: {zh: 序列, en: sequence}
    domain: environment
    by: [subject]
    sequence:
      - {feed: sensor, where: value > 99.99}
      - {feed: sensor, where: value < 0.01}
    within: 10m
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
"""


def write(path: Path, events: int, keys: int, seed: int = 1) -> None:
    """A file of sensor events, one reading a key and minute, slightly out of order."""
    rng = np.random.default_rng(seed)
    step = 60_000 / keys
    moments = (START_MS + np.arange(events) * step - rng.integers(0, 2_000, events)).astype(np.int64)
    subject = np.arange(events) % keys
    pl.DataFrame(
        {
            "id": pl.Series(np.arange(events)).cast(pl.String),
            "feed": pl.repeat("sensor", events, eager=True),
            "source": pl.repeat("bench", events, eager=True),
            "time": pl.Series(moments)
            .cast(pl.Datetime("ms"))
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone("Asia/Shanghai")
            .dt.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"),
            "region": pl.Series(530_100 + subject % 30).cast(pl.String),
            "subject": pl.select(pl.format("ST-{}", pl.Series(subject))).to_series(),
            "metric": pl.repeat("w01018", events, eager=True),
            "value": pl.Series(np.round(rng.random(events) * 100, 3)),
            "unit": pl.repeat("mg/L", events, eager=True),
            "quality": pl.repeat("N", events, eager=True),
        }
    ).write_ndjson(path)


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some runs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def slope(work: Callable[[Path], object], short: tuple[Path, int], long: tuple[Path, int]) -> float:
    """Events a second between the two files."""
    return (long[1] - short[1]) / (best(lambda: work(long[0])) - best(lambda: work(short[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_500_000)
    parser.add_argument("--keys", type=int, default=10_000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rules = load_rules({"bench.yaml": RULES})
    with tempfile.TemporaryDirectory() as folder:
        files = [(Path(folder, f"{n}.ndjson"), n) for n in (options.events // 5, options.events)]
        for path, n in files:
            write(path, n, options.keys)
        replay([files[0][0]], rules, io.BytesIO())  # compile, fill caches
        alone = slope(pl.read_ndjson, *files)
        whole = slope(lambda path: replay([path], rules, io.BytesIO()), *files)
    print(f"{'job':44s} {'events/s':>12s}")
    print(f"{'pl.read_ndjson alone':44s} {alone:12,.0f}")
    print(f"{f'replay, 6 rules of 5 kinds, {options.keys:,} keys':44s} {whole:12,.0f}")
    print(f"ratio {whole / alone:.2f} (floor 0.33)")


if __name__ == "__main__":
    main()
