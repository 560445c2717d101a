"""``fengsui sink`` as processes that are killed, doubled and stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streams.cluster.producer import Producer
from tests.cluster.clickhouse import ROOT, ClickHouse
from tests.cluster.test_group import PARTITIONS, Feed, counted, until


class Process:
    """A sink of events."""

    def __init__(self, log: str, store: str, data: Path, *more: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fengsui.cli", "sink", "store-events"),
                *("--log", log, "--store", store, "--data", data, *more),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("FENGSUI_")},
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.url}metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + "{"))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(how)
        try:
            self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        return self._process.returncode


@pytest.fixture
def feed(made, tmp_path: Path) -> Iterator[Feed]:
    address, _ = made(partitions=PARTITIONS)
    with Producer(address, {address.topic("events"): PARTITIONS}) as producer:
        yield Feed(address, producer)


def test_kills_of_sinks_and_of_the_store_lose_and_double_nothing(feed: Feed, tmp_path: Path) -> None:
    """Two processes share the topic; seeded kills of either and of the server, mid-insert and mid-rebalance."""
    draw = random.Random(20260105)
    log = str(feed.address)
    with ClickHouse(tmp_path / "server") as server:
        sinks = {name: Process(log, server.url, tmp_path / name) for name in ("a", "b")}
        for _ in range(3):
            feed.write(40)
            time.sleep(draw.uniform(0.0, 2.0))
            victim = draw.choice(["a", "b", "server"])
            if victim == "server":
                server.kill()
                feed.write(20)
                time.sleep(draw.uniform(0.0, 1.0))
                server.start()
            else:
                sinks[victim].end(signal.SIGKILL)
                feed.write(20)
                sinks[victim] = Process(log, server.url, tmp_path / victim)
        until(lambda: counted(server.url)[2] >= feed.events, 120)
        until(lambda: sum(one.metric("fengsui_sink_partitions") for one in sinks.values()) == PARTITIONS)
        until(lambda: sum(one.metric("fengsui_spool_batches") for one in sinks.values()) == 0)
        assert {httpx.get(f"{one.url}readyz").status_code for one in sinks.values()} == {200}
        assert [one.end() for one in sinks.values()] == [0, 0]
        assert counted(server.url) == (feed.events,) * 3


def test_what_it_cannot_work_with_is_said_at_the_start(feed: Feed, tmp_path: Path) -> None:
    """No cluster, a store in a process, a cluster that is not there, the store of another one: one line, exit codes 1 to 3."""

    def said(*more: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "fengsui.cli", "sink", "store-events", "--data", tmp_path / "x", *more],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    log = str(feed.address)
    code, text = said("--store", "http://127.0.0.1:9/x")
    assert (code, "--log kafka://" in text) == (1, True)
    code, text = said("--log", log)
    assert (code, "--store https://" in text) == (1, True)
    code, text = said("--log", log.replace(feed.address.name, "nobody"), "--store", "http://127.0.0.1:9/x")
    assert (code, "fengsui topics apply" in text) == (3, True)
    with ClickHouse(tmp_path / "server") as server:
        from sinks.store.store import Store

        with Store.open(server.url) as store:
            store.bind("events", "another cluster", {})
        code, text = said("--log", log, "--store", server.url)
        assert (code, "another events log" in text) == (3, True)
