"""Decoding beside a bare ``pl.read_ndjson``, on one thread: ``python -m benchmarks.decode [--events N]``.

For each kind of input: nanoseconds an event of the bare read of just the columns in use, of the bare read of the catalogue's
columns, and of ``Decoder.decode``, which reads strictly, refuses bad lines by name, and parses times.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polars as pl

from events.decode import Decoder
from events.feeds import FeedCatalog
from events.times import format_ms

START_MS = 1_767_225_600_000
SEED = 1


def sensor(i: int, rng: random.Random) -> dict[str, Any]:
    return {
        "id": f"st-{i}",
        "feed": "sensor",
        "source": "env-platform",
        "time": format_ms(START_MS + i * 7)[:-1] + "+00:00",
        "region": "530102",
        "subject": f"MN{i % 500:04d}",
        "metric": "w01018",
        "value": round(rng.random() * 60, 2),
        "unit": "mg/L",
        "quality": "N",
        "limit": 50,
    }


def complaint(i: int, rng: random.Random) -> dict[str, Any]:
    return {
        "id": f"c-{i}",
        "feed": "complaint",
        "source": "12345",
        "time": format_ms(START_MS + i * 7),
        "region": "530102",
        "category": rng.choice(["食品安全", "噪声扰民", "消费维权"]),
        "text": "反映小区门口餐饮店油烟扰民，请核查处理。" * rng.randint(1, 4),
        "channel": "电话",
        "status": "待办",
    }


def mixed(i: int, rng: random.Random) -> dict[str, Any]:
    return complaint(i, rng) if i % 5 == 0 else sensor(i, rng)


def inputs(events: int) -> dict[str, bytes]:
    """Name -> NDJSON; every kind from the same seed."""

    def lines(make: Callable[[int, random.Random], dict[str, Any]], **change: Any) -> list[bytes]:
        rng = random.Random(SEED)
        return [
            json.dumps({**make(i, rng), **change}, ensure_ascii=False, separators=(",", ":")).encode()
            for i in range(events)
        ]

    made = {
        "sensor": lines(sensor),
        "complaint": lines(complaint),
        "mixed": lines(mixed),
        "integer times": lines(sensor, time=START_MS),
        "nulls": lines(sensor, lon=None, lat=None),
        "undeclared": lines(sensor, station_type="国控", batch_no=7),
    }
    bad = lines(sensor)
    bad[events // 2] = b'{"id": 5}'
    made["one bad line"] = bad
    rng = random.Random(SEED)
    made["1 % bad lines"] = [line[:-1] if rng.random() < 0.01 else line for line in lines(sensor)]
    return {name: b"\n".join(one) + b"\n" for name, one in made.items()}


def best_ns(work: Callable[[], object], events: int, rounds: int = 5) -> float:
    """Nanoseconds of processor time an event, of the fastest round: what else the machine does only ever adds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) / events * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=50_000, help="events of a batch (default 50000)")
    events: int = parser.parse_args().events
    catalog = FeedCatalog.builtin()
    all_columns = {name: pl.String() if name == "time" else kind for name, kind in catalog.schema().items()}
    print(f"{'ns/event':16}{'read, used':>12}{'read, all':>12}{'decode':>10}{'x used':>8}{'x all':>8}{'events/s':>12}")
    for name, data in inputs(events).items():
        decoder = Decoder(catalog)
        decoder.decode(data)
        ours = best_ns(lambda d=data, o=decoder: o.decode(d), events)  # type: ignore[misc]
        used, whole = float("nan"), float("nan")
        if "bad" not in name:
            keys = set().union(*(json.loads(line) for line in data.splitlines()[:50]))
            some = {key: all_columns.get(key, pl.String()) for key in keys}
            used = best_ns(lambda d=data, s=some: pl.read_ndjson(io.BytesIO(d), schema=s), events)  # type: ignore[misc]
            whole = best_ns(lambda d=data: pl.read_ndjson(io.BytesIO(d), schema=all_columns), events, 3)  # type: ignore[misc]
        print(f"{name:16}{used:12.0f}{whole:12.0f}{ours:10.0f}{ours / used:8.2f}{ours / whole:8.2f}{1e9 / ours:12,.0f}")


if __name__ == "__main__":
    main()
