"""Workers on Kafka against the embedded runner: events a second of a core, restoring, and from a door to a board.

    python -m benchmarks.cluster [--events N] [--only pace,restore,latency]

Needs the Kafka of ``make test-cluster``. A worker's pace is processor time from its first record to the transition that the last
events open, its start taken off; so is that of one core of the embedded runner in the same run. Kafka itself runs beside them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from rules.load import load_rules
from rules.model import RuleSet
from streams.cluster.address import Address, parse_address
from streams.cluster.identity import Identity, open_cluster
from streams.cluster.topics import apply, plan
from streams.embedded import EngineRunner
from streams.log.entry import events_entry, rules_entry
from streams.log.sqlite import SqliteLog
from tests.cluster.kafka_broker import KafkaBroker
from tests.cluster.played import Listener, Sender
from tests.cluster.processes import Process

#: In the future: ticks are of now, and do not matter to an engine whose clock is ahead of them.
START_MS = 1_780_000_000_000 + 3650 * 86_400_000
RULES = """
rules:
  - id: bench.each
    title: {zh: 逐条, en: each}
    domain: environment
    feed: sensor
    when: value > 999
    severity: red
    max_open: 100000
  - id: bench.mean
    title: {zh: 均值, en: mean}
    domain: environment
    feed: sensor
    by: [subject, metric]
    window: {tumbling: 1m}
    measure: {mean: avg(value), n: count(*)}
    when: mean > 900
    severity: yellow
  - id: bench.peak
    title: {zh: 峰值, en: peak}
    domain: environment
    feed: sensor
    window: {hopping: 5m, every: 1m}
    measure: {peak: max(value)}
    when: peak > 998
    severity: orange
  - id: bench.spread
    title: {zh: 波动, en: spread}
    domain: environment
    feed: sensor
    window: {sliding: 1m}
    measure: {low: min(value), high: max(value)}
    when: high - low > 999
    severity: blue
"""
BODY = 6_000
PARTITIONS = 12


def bodies(events: int, keys: int) -> Iterator[tuple[int, list[bytes], list[str]]]:
    """``keys`` stations, a reading a minute each; the last of all stations are spikes, which open an alert each."""
    rng = np.random.default_rng(7)
    for begin in range(0, events, BODY):
        numbers = range(begin, min(begin + BODY, events))
        values = rng.random(len(numbers)) * 100
        lines, subjects, at_ms = [], [], START_MS
        for number, value in zip(numbers, values, strict=True):
            at_ms = START_MS + int(number * 60_000 / keys)
            subject = f"站{number % keys:07d}"
            reading = 1000 if number >= events - 24 else round(float(value), 2)
            lines.append(
                f'{{"id":"{number}","feed":"sensor","source":"bench","time":{at_ms},"subject":"{subject}","metric":"w01018","value":{reading}}}'.encode()
            )
            subjects.append(subject)
        yield at_ms, lines, subjects


def last_opened(transitions: list) -> int:
    return sum(t.rule == "bench.each" and t.type == "opened" for t in transitions)


def process_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def embedded(directory: Path, ruleset: RuleSet, events: int, keys: int) -> float:
    """Processor seconds of one runner over a log that is filled already, in a process of its own kind: this one."""
    with SqliteLog(directory / "events.db") as log, SqliteLog(directory / "transitions.db") as out:
        log.append([rules_entry(ruleset.bundle, at_ms=START_MS)])
        for at_ms, lines, _ in bodies(events, keys):
            log.append([events_entry(b"\n".join(lines), count=len(lines), at_ms=at_ms)])
        runner = EngineRunner(log, out, directory=directory / "snapshots", clock=lambda: int(time.time() * 1000))
        began = time.process_time()
        runner.start()
        assert runner.wait_for(log.newest, 600)
        took = time.process_time() - began
        runner.stop()
    return took


class Bench:
    def __init__(self, directory: Path, broker: KafkaBroker, events: int, counts: list[int]) -> None:
        self.counts = counts
        self.directory = directory
        self.broker = broker
        self.events = events
        self.ruleset = load_rules({"r.yaml": RULES})

    def cluster(self, name: str) -> tuple[Address, Identity]:
        address = parse_address(self.broker.url(name))
        apply(plan(address, partitions=PARTITIONS, wide=2))
        return address, open_cluster(address)

    def workers(self, name: str, count: int, stack: ExitStack) -> list[Process]:
        some = [Process(self.directory, "worker", "--log", self.broker.url(name)) for _ in range(count)]
        for one in some:
            one.start()
            stack.callback(one.kill)
        for one in some:
            one.wait()
        return some

    def pace(self) -> None:
        """Slopes between a short and a long log, so that starts, compiled loops and caches do not count."""
        short = self.events // 4
        took = [embedded(self.directory / f"embedded-{n}", self.ruleset, n, 10_000) for n in (short, self.events)]
        alone = (self.events - short) / (took[1] - took[0])
        show("embedded runner, one core", f"{alone:,.0f} events/s", "")
        for count in self.counts:
            spent = [self.worked(count, n) for n in (short, self.events)]
            pace = (self.events - short) / (spent[1] - spent[0])
            show(f"{count} worker{'s' if count > 1 else ''}, a core of processor time", f"{pace:,.0f} events/s", "")
            show("  of the embedded runner's", f"{pace / alone:.2f}", ">= 0.7")

    def worked(self, count: int, events: int) -> float:
        """Processor seconds of workers that have their partitions, from the first record to the last alert."""
        name = f"pace-{count}-{events}"
        address, identity = self.cluster(name)
        with ExitStack() as stack:
            sender = stack.enter_context(closing(Sender(address, identity, keep=True)))
            listener = stack.enter_context(closing(Listener(address)))
            sender.activate(self.ruleset, START_MS)
            for at_ms, lines, subjects in bodies(events, 10_000):
                sender.post(lines, subjects, at_ms)
            some = self.workers(name, count, stack)
            time.sleep(10)  # until the group has given its partitions out
            before = sum(process_s(one.pid) for one in some)
            sender.send()
            listener.listen(lambda heard: last_opened(heard) >= 24, within_s=600)
            return sum(process_s(one.pid) for one in some) - before

    def restore(self) -> None:
        keys = 1_000_000
        name = "restore"
        address, identity = self.cluster(name)
        with ExitStack() as stack:
            sender = stack.enter_context(closing(Sender(address, identity)))
            listener = stack.enter_context(closing(Listener(address)))
            first = self.workers(name, 1, stack)[0]
            sender.activate(self.ruleset, START_MS)
            for at_ms, lines, subjects in bodies(keys, keys):
                sender.post(lines, subjects, at_ms)
            listener.listen(lambda heard: last_opened(heard) >= 24, within_s=600)
            first.stop()
            second = Process(self.directory, "worker", "--log", self.broker.url(name)).start()
            stack.callback(second.kill)
            began = time.monotonic()
            second.wait()
            sender.tick(START_MS + 10**9)
            while "restore_seconds_count" not in (text := second.metrics()) or count_of(text) < PARTITIONS:
                time.sleep(0.2)
            show(
                f"restore of {keys:,} keys in {PARTITIONS} engines by one worker",
                f"{time.monotonic() - began:.1f} s",
                "from its start",
            )


def count_of(metrics: str) -> float:
    found = [line for line in metrics.splitlines() if line.startswith("fengsui_worker_restore_seconds_count")]
    return float(found[0].split()[1]) if found else 0.0


def faust_one_by_one(broker: KafkaBroker, directory: Path, events: int) -> float:
    """Faust as it is mostly used: an event a record, JSON, a window in a dictionary: events a second of processor time."""
    script = directory / "faust_one.py"
    script.write_text(FAUST)
    apply(plan(parse_address(broker.url("one")), partitions=1, wide=1))
    done = subprocess.run(
        [sys.executable, script, broker.bootstrap, str(events)], capture_output=True, text=True, check=True, timeout=600
    )
    return float(done.stdout.split()[-1])


FAUST = """
import asyncio, json, logging, resource, sys, time
import faust
from kafka import KafkaProducer
servers, n = sys.argv[1], int(sys.argv[2])
producer = KafkaProducer(bootstrap_servers=servers)
for i in range(n):
    producer.send("one.events", json.dumps({"id": str(i), "subject": f"s{i % 1000}", "time": i, "value": i % 100}).encode(), partition=0)
producer.flush()
producer.close()
app = faust.App("bench-one", broker="kafka://" + servers, store="memory://", web_enabled=False, topic_disable_leader=True,
                topic_allow_declare=False, consumer_auto_offset_reset="earliest")
sums, count, begun = {}, 0, 0.0
@app.agent(app.topic("one.events", value_serializer="json"))
async def judge(stream):
    global count, begun
    async for event in stream:
        if not count:
            begun = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        key = event["subject"], event["time"] // 60_000
        total, number = sums.get(key, (0.0, 0))
        sums[key] = total + event["value"], number + 1
        count += 1
        if count == n:
            done.set()
async def main():
    global done
    done = asyncio.Event()
    await app.start()
    await done.wait()
    print(n / (resource.getrusage(resource.RUSAGE_SELF).ru_utime - begun), flush=True)
    import os
    os._exit(0)
logging.disable(logging.CRITICAL)
asyncio.run(main())
"""


def show(what: str, figure: str, asked: str) -> None:
    print(f"{what:<64} {figure:>20}  {asked}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_500_000)
    parser.add_argument("--only", default="pace,faust,restore")
    parser.add_argument("--workers", default="1,2")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, KafkaBroker(Path(directory) / "kafka") as broker:
        bench = Bench(Path(directory), broker, args.events, [int(count) for count in args.workers.split(",")])
        for part in args.only.split(","):
            if part == "faust":
                show(
                    "Faust fed one event a record",
                    f"{faust_one_by_one(broker, Path(directory), 50_000):,.0f} events/s",
                    "",
                )
                show("Quix Streams", "not installed", "")
            else:
                getattr(bench, part)()


if __name__ == "__main__":
    main()
