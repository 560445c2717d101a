"""The benchmark's job as others do it; each gives the seconds that it took, or None where it is not installed."""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from events.times import parse_instant

#: rules of each kind over each metric, as in the mix ``metrics``
PEERS: dict[str, Callable[[Path, Sequence[str]], float | None]] = {}


def plain_loop(path: Path, metrics: Sequence[str]) -> float:
    """One event after the other in plain Python: the five kinds over every metric, ids remembered, no alerts kept."""
    began = time.perf_counter()
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
            alerts += max(one for _, one in window) > 300 + step
            spread = spreads.get(key)
            if spread is None or spread[0] != now // 300_000:
                alerts += spread is not None and spread[1] > 1 and (spread[3] / (spread[1] - 1)) ** 0.5 > 150 + step
                spreads[key] = [now // 300_000, 1, value, 0.0]
            else:
                spread[1] += 1
                d = value - spread[2]
                spread[2] += d / spread[1]
                spread[3] += d * (value - spread[2])
    return time.perf_counter() - began


PEERS["a plain loop in Python"] = plain_loop
