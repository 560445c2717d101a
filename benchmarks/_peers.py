"""The benchmark's job as others do it; each gives the seconds that it took, or None where it is not installed."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from events.times import parse_instant

#: rules of each kind over each metric, as in the mix ``metrics``
PEERS: dict[str, Callable[[Path, Sequence[str]], float | None]] = {}


def plain_loop(path: Path, metrics: Sequence[str]) -> float:
    """One event after the other in plain Python: the five kinds over every metric, ids remembered, no alerts kept."""
    began = time.process_time()
    seen: set[tuple[str, str]] = set()
    means: dict[Any, list[float]] = {}
    counts: dict[Any, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    windows: dict[Any, deque[tuple[int, float]]] = defaultdict(deque)
    spreads: dict[Any, list[float]] = {}
    thresholds = {metric: place * 0.25 for place, metric in enumerate(metrics)}
    alerts = 0
    with path.open("rb") as file:
        for line in file:
            event = json.loads(line)
            name = (event["source"], event["id"])
            if name in seen:
                continue
            seen.add(name)
            if event["quality"] != "N":
                continue
            now, value, metric = parse_instant(event["time"]), event["value"], event["metric"]
            key, step = (event["subject"], metric), thresholds[metric]
            alerts += value > 180 + step
            mean = means.get(key)
            if mean is None or mean[0] != now // 60_000:
                alerts += mean is not None and mean[1] / mean[2] > 200 + step
                means[key] = [now // 60_000, value, 1]
            else:
                mean[1] += value
                mean[2] += 1
            panes = counts[key]
            panes[now // 60_000] += 1
            if len(panes) > 5:
                del panes[min(panes)]
            alerts += sum(panes.values()) > 20 + step
            window = windows[key]
            window.append((now, value))
            while window[0][0] <= now - 300_000:
                window.popleft()
            alerts += max(one for _, one in window) > 500 + step
            spread = spreads.get(key)
            if spread is None or spread[0] != now // 300_000:
                alerts += spread is not None and spread[1] > 1 and (spread[3] / (spread[1] - 1)) ** 0.5 > 150 + step
                spreads[key] = [now // 300_000, 1, value, 0.0]
            else:
                spread[1] += 1
                d = value - spread[2]
                spread[2] += d / spread[1]
                spread[3] += d * (value - spread[2])
    return time.process_time() - began


def bytewax(path: Path, metrics: Sequence[str]) -> float | None:
    """The same five kinds as windowed and stateful steps of a dataflow, keyed by subject and metric."""
    try:
        import bytewax.operators as op
        import bytewax.operators.windowing as win
        from bytewax.dataflow import Dataflow
        from bytewax.testing import TestingSink, TestingSource, run_main
    except ImportError:
        return None
    thresholds = {metric: place * 0.25 for place, metric in enumerate(metrics)}
    out: list[Any] = []
    clock = win.EventClock(lambda one: one[0], wait_for_system_duration=timedelta(seconds=5))
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def keyed(line: bytes) -> tuple[str, tuple[datetime, float, float]] | None:
        event = json.loads(line)
        if event["quality"] != "N":
            return None
        step = thresholds[event["metric"]]
        moment = datetime.fromisoformat(event["time"]).astimezone(UTC)
        return f"{event['subject']}|{event['metric']}", (moment, event["value"], step)

    def slide(window: deque[Any] | None, one: Any) -> tuple[deque[Any], float | None]:
        window = window or deque()
        window.append(one)
        while window[0][0] <= one[0] - timedelta(minutes=5):
            window.popleft()
        high = max(value for _, value, _ in window)
        return window, high if high > 500 + one[2] else None

    def spread(values: list[float], one: Any) -> list[float]:
        values.append(one[1])
        return values

    def over(limit: float, measure: Callable[[Any], float]) -> Callable[[Any], bool]:
        return lambda item: measure(item[1][1]) > limit

    flow = Dataflow("rules")
    lines = op.input("lines", flow, TestingSource(path.read_bytes().splitlines(), batch_size=1_000))
    events = op.filter_map("events", lines, keyed)
    minute = win.TumblingWindower(length=timedelta(minutes=1), align_to=start)
    five = win.TumblingWindower(length=timedelta(minutes=5), align_to=start)
    hop = win.SlidingWindower(length=timedelta(minutes=5), offset=timedelta(minutes=1), align_to=start)
    each = op.filter("each", events, lambda item: item[1][1] > 180 + item[1][2])
    means = win.fold_window("means", events, clock, minute, list, spread, list.__add__).down
    counts = win.fold_window("counts", events, clock, hop, list, spread, list.__add__).down
    spreads = win.fold_window("spreads", events, clock, five, list, spread, list.__add__).down
    highs = op.filter("highs", op.stateful_map("slide", events, slide), lambda item: item[1] is not None)
    found = [
        each,
        op.filter("mean", means, over(200, statistics.fmean)),
        op.filter("count", counts, over(20, len)),
        op.filter("spread", spreads, over(150, lambda values: statistics.stdev(values) if len(values) > 1 else 0.0)),
        highs,
    ]
    op.output("out", op.merge("all", *found), TestingSink(out))
    began = time.process_time()
    run_main(flow)
    return time.process_time() - began


def flink(path: Path, metrics: Sequence[str]) -> float | None:
    """The rules that Flink SQL can say as one statement set: one query a rule and metric, but each, which is a filter."""
    try:
        from pyflink.table import EnvironmentSettings, TableEnvironment
    except ImportError:
        return None
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("parallelism.default", "1")
    tables.execute_sql(
        "CREATE TABLE readings (subject STRING, metric STRING, quality STRING, `value` DOUBLE, `time` STRING, "
        "ts AS TO_TIMESTAMP(SUBSTR(`time`, 1, 23), 'yyyy-MM-dd''T''HH:mm:ss.SSS'), "
        "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) "
        f"WITH ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = 'json')"
    )
    tables.execute_sql("CREATE TABLE found (subject STRING, x DOUBLE) WITH ('connector' = 'blackhole')")
    queries = tables.create_statement_set()
    for place, metric in enumerate(metrics):
        tables.execute_sql(
            f"CREATE TEMPORARY VIEW v{place} AS SELECT subject, `value`, ts FROM readings "
            f"WHERE metric = '{metric}' AND quality = 'N'"
        )
        for query in _queries(f"v{place}", place, place * 0.25):
            queries.add_insert_sql(f"INSERT INTO found {query}")
    began = time.perf_counter()
    queries.execute().wait()
    return time.perf_counter() - began


def _queries(view: str, place: int, step: float) -> list[str]:
    """The five kinds over one metric."""
    minute, five = "INTERVAL '1' MINUTE", "INTERVAL '5' MINUTE"

    def windowed(table: str, measure: str, limit: float) -> str:
        return (
            f"SELECT subject, CAST({measure} AS DOUBLE) FROM TABLE({table}) "
            f"GROUP BY subject, window_start, window_end HAVING {measure} > {limit}"
        )

    over = f"PARTITION BY subject ORDER BY ts RANGE BETWEEN {five} PRECEDING AND CURRENT ROW"
    return [
        f"SELECT subject, `value` FROM {view} WHERE `value` > {180 + step}",
        windowed(f"TUMBLE(TABLE {view}, DESCRIPTOR(ts), {minute})", "AVG(`value`)", 200 + step),
        windowed(f"HOP(TABLE {view}, DESCRIPTOR(ts), {minute}, {five})", "COUNT(*)", 20 + place),
        windowed(f"TUMBLE(TABLE {view}, DESCRIPTOR(ts), {five})", "STDDEV_SAMP(`value`)", 150 + step),
        f"SELECT subject, high FROM (SELECT subject, MAX(`value`) OVER ({over}) AS high FROM {view}) WHERE high > {500 + step}",
    ]


PEERS["a plain loop in Python"] = plain_loop
PEERS["Bytewax"] = bytewax
PEERS["PyFlink SQL"] = flink
