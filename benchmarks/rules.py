"""Pace of ``replay`` with many rules of mixed kinds, against ``pl.read_ndjson`` alone on the same file, on one pinned core.

    python -m benchmarks.rules [--events N] [--rounds N] [--only pace,many,marginal,keys,step,start,time,peers]

A pace is the slope between a short and a long run, each the best of some rounds, so that start-up does not count. The rules are
each, tumbling mean, hopping count, sliding maximum and tumbling spread in equal parts, over readings of ten metrics with
quality marks, a limit, spikes that open alerts, and disorder within the lateness. In ``shared`` they differ in their threshold
only, in ``metrics`` in their ``where`` too, in ``sizes`` in the size of their windows too.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl

from benchmarks._peers import PEERS
from benchmarks._stopwatch import breakdown
from events.decode import Decoder
from events.record import EventBatch
from rules.load import load_rules
from rules.model import RuleSet
from streams.engine import Engine
from streams.replay import replay

START_MS = 1_767_225_600_000
METRICS = [f"w{10_000 + 7 * i}" for i in range(10)]
KINDS = ("each", "tumbling", "hopping", "sliding", "spread")
PARTS = ("pace", "many", "marginal", "keys", "step", "start", "time", "peers")


# --- events


def write(path: Path, events: int, keys: int, seed: int = 1) -> None:
    """A file of readings: each key, a subject and a metric, once a minute; slightly out of order."""
    with path.open("wb") as file:
        for begin in range(0, events, 250_000):
            _part(np.arange(begin, min(events, begin + 250_000)), keys, seed + begin).write_ndjson(file)


def _part(number: np.ndarray, keys: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n = len(number)
    key = number * 7919 % keys  # no neighbours in the file
    moments = (START_MS + number * (60_000 / keys) - rng.integers(0, 2_000, n)).astype(np.int64)
    metric = key % len(METRICS)
    value = rng.gamma(4.0, 8.0, n) * np.where(rng.random(n) < 0.00005, 12.0, 1.0)
    return pl.DataFrame(
        {
            "id": pl.Series(number).cast(pl.String),
            "feed": pl.repeat("sensor", n, eager=True),
            "source": pl.repeat("bench", n, eager=True),
            "time": pl.Series(moments)
            .cast(pl.Datetime("ms"))
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone("Asia/Shanghai")
            .dt.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"),
            "region": pl.Series(530_100 + key // len(METRICS) % 30).cast(pl.String),
            "subject": pl.select(pl.format("ST-{}", pl.Series(key // len(METRICS)))).to_series(),
            "metric": pl.Series(METRICS).gather(metric),
            "value": pl.Series(np.round(value, 3)),
            "unit": pl.repeat("mg/L", n, eager=True),
            "quality": pl.Series(["N", "D", "F"]).gather(rng.choice(3, n, p=[0.97, 0.02, 0.01])),
            "limit": pl.Series(100.0 + metric * 10),
        }
    )


# --- rules


def ruleset(mix: str, count: int) -> RuleSet:
    """``count`` rules, of the kinds in turn."""
    return load_rules({"bench.yaml": "rules:\n" + "".join(_rule(mix, i) for i in range(count))})


def rules_yaml(mix: str, count: int) -> str:
    return "rules:\n" + "".join(_rule(mix, i) for i in range(count))


def _rule(mix: str, i: int) -> str:
    kind, turn = KINDS[i % len(KINDS)], i // len(KINDS)
    where = "quality = 'N'"
    if mix == "metrics":
        where = f"metric = '{METRICS[turn % len(METRICS)]}' AND quality = 'N'"
    minutes = 1 + turn % 10 if mix == "sizes" else 1
    step = turn * 0.25
    body = {
        "each": f"when: value > {180 + step}\n    severity: {{red: value > 3 * limit, orange: true}}",
        "tumbling": f"window: {{tumbling: {minutes}m}}\n    measure: {{mean: avg(value), n: count(*)}}\n"
        f"    when: mean > {200 + step} AND n >= 1\n    severity: orange",
        "hopping": f"window: {{hopping: {5 * minutes}m, every: {minutes}m}}\n    measure: {{n: count(*)}}\n"
        f"    when: n > {10 + 10 * minutes + turn}\n    severity: yellow",
        "sliding": f"window: {{sliding: {5 * minutes}m}}\n    measure: {{high: max(value)}}\n"
        f"    when: high > {500 + step}\n    severity: orange",
        "spread": f"window: {{tumbling: {5 * minutes}m}}\n    measure: {{spread: stddev(value)}}\n"
        f"    when: spread > {150 + step}\n    severity: yellow",
    }[kind]
    return (
        f"  - id: bench.{kind}.{turn}\n    title: {{zh: 规则 {i}, en: rule {i}}}\n    domain: environment\n    feed: sensor\n"
        f"    where: {where}\n    by: [subject, metric]\n    {body}\n"
        '    summary: {zh: "{subject} {metric}", en: "{subject} {metric}"}\n'
    )


# --- measuring


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Of processor time: what else the machine does only ever adds to the time by the clock on the wall."""
    began = clock()
    work()
    return clock() - began


class Bench:
    """The files of a run, and slopes over them."""

    def __init__(self, folder: Path, events: int, rounds: int) -> None:
        self._folder = folder
        self.events = events
        self.rounds = rounds

    def file(self, events: int, keys: int) -> Path:
        path = self._folder / f"{events}-{keys}.ndjson"
        if not path.exists():
            write(path, events, keys)
        return path

    def slopes(self, works: dict[str, Callable[[Path], object]], keys: int, events: int = 0) -> dict[str, float]:
        """Nanoseconds an event of each work, between a sixth of the events and all; in turn, so that they share bad times."""
        long = events or self.events
        short = max(1, long // 6)
        best: dict[tuple[str, int], float] = {}
        for _ in range(self.rounds):
            for name, work in works.items():
                for n in (short, long):
                    took = seconds(lambda work=work, n=n: work(self.file(n, keys)))  # type: ignore[misc]
                    best[name, n] = min(took, best.get((name, n), took))
        return {name: (best[name, long] - best[name, short]) / (long - short) * 1e9 for name in works}


def playing(rules: RuleSet) -> Callable[[Path], object]:
    return lambda path: replay([path], rules, io.BytesIO())


ROW = "{:58s} {:>14s} {:>16s}  {}"


def show(what: str, figure: str, asked: str = "", met: bool | None = None) -> None:
    print(ROW.format(what, figure, asked, "" if met is None else "met" if met else "NOT MET"), flush=True)


def pace(bench: Bench) -> None:
    works: dict[str, Callable[[Path], object]] = {"read": pl.read_ndjson}
    works |= {mix: playing(ruleset(mix, 50)) for mix in ("shared", "metrics", "sizes")}
    found = bench.slopes(works, 10_000)
    show("pl.read_ndjson alone", f"{found['read']:,.0f} ns/event")
    for mix in ("shared", "metrics", "sizes"):
        ratio = found["read"] / found[mix]
        show(f"replay, 50 rules, {mix}", f"{found[mix]:,.0f} ns/event")
        show(f"  of the pace of read_ndjson: {1e9 / found[mix]:,.0f} events/s", f"{ratio:.2f}", ">= 0.50", ratio >= 0.5)


def many(bench: Bench) -> None:
    works: dict[str, Callable[[Path], object]] = {"read": pl.read_ndjson}
    works |= {mix: playing(ruleset(mix, 1_000)) for mix in ("shared", "metrics", "sizes")}
    found = bench.slopes(works, 10_000, bench.events // 3)
    for mix in ("shared", "metrics", "sizes"):
        ratio = found["read"] / found[mix]
        show(f"replay, 1,000 rules, {mix}", f"{found[mix]:,.0f} ns/event")
        show(f"  of the pace of read_ndjson: {1e9 / found[mix]:,.0f} events/s", f"{ratio:.2f}", ">= 0.10", ratio >= 0.1)


def marginal(bench: Bench) -> None:
    works = {str(count): playing(ruleset("shared", count)) for count in (50, 250)}
    found = bench.slopes(works, 10_000, bench.events // 2)
    a_rule = (found["250"] - found["50"]) / 200
    show("one more rule over shared keys and windows", f"{a_rule:.1f} ns/event", "< 10", a_rule < 10)


def keys(bench: Bench) -> None:
    found = {n: bench.slopes({"": playing(ruleset("shared", 50))}, n)[""] for n in (10_000, 100_000, 1_000_000)}
    for n, ns in found.items():
        peak = _peak_mb(bench.file(bench.events, n))
        show(f"replay, 50 rules, shared, {n:,} keys; peak {peak:,.0f} MB", f"{ns:,.0f} ns/event")
    ratio = max(found.values()) / min(found.values())
    show("  slowest to fastest", f"{ratio:.2f}", "< 2", ratio < 2)


def _peak_mb(path: Path) -> float:
    code = f"from benchmarks.rules import peak; peak({str(path)!r})"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def peak(path: str) -> None:
    """In the child: a replay, then its peak memory."""
    replay([path], ruleset("shared", 50), io.BytesIO())
    # not getrusage, which goes on counting from what the parent had
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def batches(path: Path, rules: RuleSet, size: int) -> Iterator[EventBatch]:
    """The file's events, decoded, in records of some events."""
    pos = 0
    for frame in Decoder(rules.catalog).decode(path.read_bytes()).frame.iter_slices(size):
        yield EventBatch(frame, pl.int_range(pos + 1, pos + 1 + len(frame), eager=True))
        pos += len(frame)


def step(bench: Bench) -> None:
    for mix in ("shared", "metrics", "sizes"):
        rules = ruleset(mix, 50)
        records = list(batches(bench.file(500_000, 10_000), rules, 2_000))
        best = np.full(len(records), np.inf)
        for _ in range(bench.rounds):
            engine = Engine(rules)
            took = [seconds(lambda record=record, engine=engine: engine.step([record])) for record in records]  # type: ignore[misc]
            best = np.minimum(best, took)
        p99 = float(np.quantile(best, 0.99)) * 1e3
        show(f"p99 of a step of 2,000 events, 50 rules, {mix}", f"{p99:.1f} ms", "< 15 ms", p99 < 15)


def start(bench: Bench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rules, events = Path(folder, "bench.yaml"), Path(folder, "tiny.ndjson")
        rules.write_text(rules_yaml("metrics", 50))
        write(events, 1_000, 100)
        command = [sys.executable, "-m", "fengsui.cli", "replay", str(events), "--rules", folder, "--out", os.devnull]
        run = lambda: subprocess.run(command, capture_output=True, check=True)  # noqa: E731
        took = min(seconds(run, _of_children) for _ in range(bench.rounds + 2))
    show("the command from start to end, 1,000 events, 50 rules", f"{took:.2f} s", "< 1.5 s", took < 1.5)


def _of_children() -> float:
    """Processor time of processes that ended: what the clock on the wall shows where nothing else runs."""
    times = os.times()
    return times.children_user + times.children_system


def where_time_goes(bench: Bench) -> None:
    for count, mix in ((50, "shared"), (50, "metrics"), (50, "sizes"), (1_000, "metrics")):
        path = bench.file(bench.events // 6, 10_000)
        rules = ruleset(mix, count)
        replay([path], rules, io.BytesIO())
        parts = breakdown(playing(rules), path, rounds=bench.rounds)
        print(
            f"ns/event, {count} rules, {mix}: "
            + ", ".join(f"{k} {v / (bench.events // 6) * 1e9:.0f}" for k, v in parts.items())
        )


def peers(bench: Bench) -> None:
    """The same job side by side: 50 rules over metrics; the others read fewer events, as they need longer."""
    path = bench.file(bench.events // 6, 10_000)
    ours = seconds(lambda: playing(ruleset("metrics", 50))(path)) / (bench.events // 6) * 1e9
    show("50 rules, metrics: replay", f"{1e9 / ours:,.0f} events/s")
    for name, play in PEERS.items():
        n = min(bench.events // 6, 20_000)
        made = play(bench.file(n, 10_000), METRICS)
        show(f"50 rules, metrics: {name}", "not installed" if made is None else f"{n / made:,.0f} events/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000, help="of the long run; the short one has a sixth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    made = {"pace": pace, "many": many, "marginal": marginal, "keys": keys}
    made |= {"step": step, "start": start, "time": where_time_goes, "peers": peers}
    print(ROW.format("what", "figure", "asked for", ""))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.events, options.rounds)
        replay([bench.file(20_000, 10_000)], ruleset("sizes", 50), io.BytesIO())  # compile, fill caches
        for part in options.only.split(","):
            made[part](bench)


if __name__ == "__main__":
    main()
