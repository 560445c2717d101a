"""The whole of a cluster in processes of its own: doors, workers, sinks and boards, killed and started again while events come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from streams.cluster.address import Address
from streams.cluster.identity import Identity
from tests.cluster.clickhouse import ClickHouse
from tests.cluster.kafka_broker import KafkaBroker
from tests.cluster.processes import Process
from tests.running import eventually

RULES = """
rules:
  - id: t.ph
    title: {zh: 酸碱度过高, en: pH too high}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: {red: value > 12, orange: true}
    max_open: 100000
  - id: t.wave
    title: {zh: 一地多投诉, en: Many complaints in a region}
    domain: market
    feed: complaint
    by: [region]
    window: {sliding: 10m}
    measure: {n: count(*)}
    when: n >= 3
    severity: yellow
  - id: t.over
    title: {zh: 一处多警, en: Many alerts at one place}
    domain: governance
    feed: alert
    by: [subject]
    where: type = 'opened' AND rule = 't.ph'
    when: rank >= 3
    severity: red
"""

#: Silent for a few seconds is silent: rules over alerts wait for the feed that lags most.
FEEDS = """
feeds:
  sensor:
    title: {zh: 监测, en: Sensors}
    domain: environment
    lateness: 0s
    idle: 3s
    fields: {metric: {type: string}, value: {type: number}}
  complaint:
    title: {zh: 投诉, en: Complaints}
    domain: market
    idle: 3s
    fields: {category: {type: string}}
"""


@dataclass
class Cluster:
    """``parts`` by name; every request waits until it is answered."""

    directory: Path
    broker: KafkaBroker
    address: Address
    store: ClickHouse
    stack: ExitStack
    parts: dict[str, Process] = field(default_factory=dict)
    _ids: int = 0

    def start(self, name: str, role: str, *args: object) -> Process:
        data = self.directory / name
        flags = ["--log", self.broker.url(self.address.name), *args]
        if role != "worker":
            flags += ["--data", data]
        part = Process(self.directory, role, *flags).start()
        self.parts[name] = part
        self.stack.callback(part.kill)
        return part.wait()

    def client(self, name: str) -> httpx.Client:
        token = (self.directory / name / "admin.token").read_text().strip()
        return httpx.Client(base_url=self.parts[name].address, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def post(self, door: str, *events: dict[str, Any]) -> None:
        lines = []
        for event in events:
            self._ids += 1
            lines.append(json.dumps({"id": f"e{self._ids}", "source": "test", "time": now_ms(), **event}))
        with self.client(door) as client:
            answer = client.post("/api/v1/events", content="\n".join(lines).encode())
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == len(events), answer.text

    def alerts(self, board: str, **wanted: Any) -> list[dict[str, Any]]:
        with self.client(board) as client:
            answer = client.get("/api/v1/alerts", params={"limit": 1000, **wanted})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def reading(subject: str, value: float) -> dict[str, Any]:
    return {"feed": "sensor", "subject": subject, "metric": "w01001", "value": value, "region": "530100"}


@pytest.fixture
def cluster(made: Callable[..., tuple[Address, Identity]], broker: KafkaBroker, tmp_path: Path) -> Iterator[Cluster]:
    """A gateway with the rules, two workers, sinks for events and alerts, and two boards."""
    address, _ = made(partitions=3, wide=2)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "rules" / "feeds.yaml").write_text(FEEDS, encoding="utf-8")
    with ExitStack() as stack:
        store = stack.enter_context(ClickHouse(tmp_path / "clickhouse"))
        one = Cluster(tmp_path, broker, address, store, stack)
        one.start("door", "gateway", "--rules", tmp_path / "rules")
        for name in ("worker-1", "worker-2"):
            one.start(name, "worker")
        for name in ("store-events", "store-transitions"):
            one.parts[name] = Process(
                tmp_path,
                "sink",
                name,
                *("--log", broker.url(address.name), "--store", store.url, "--data", tmp_path / name),
            ).start()
            stack.callback(one.parts[name].kill)
            one.parts[name].wait()
        for name in ("board-1", "board-2"):
            one.start(name, "board", "--store", store.url)
        yield one


def test_a_cluster_from_door_to_board(cluster: Cluster) -> None:
    """Narrow, wide and rules over alerts; both boards show them; a person's act at one is seen at the other; evidence is there."""
    eventually(cluster.parts["worker-1"].ready)
    cluster.post("door", reading("甲厂", 9.5), reading("乙厂", 12.5), reading("丙厂", 7.0))
    cluster.post("door", *({"feed": "complaint", "region": "530300", "category": "食品安全"} for _ in range(3)))
    for board in ("board-1", "board-2"):
        found = eventually(lambda board=board: _all_there(cluster.alerts(board)))
        assert found == {
            ("t.ph", "甲厂"),
            ("t.ph", "乙厂"),
            ("t.wave", "530300"),
            ("t.over", "甲厂"),
            ("t.over", "乙厂"),
        }
    one = next(a for a in cluster.alerts("board-1") if a["rule"] == "t.ph" and a["subject"] == "乙厂")
    with cluster.client("board-1") as client:
        acked = client.post(f"/api/v1/alerts/{one['alert']}/ack", json={"note": "已电话核实"})
        assert acked.status_code == 200, acked.text
        assert acked.json()["state"] == "acked"
        assert client.post(f"/api/v1/alerts/{one['alert']}/ack", json={}).status_code == 409
        for rule in ("t.wave", "t.over"):
            other = next(a for a in cluster.alerts("board-1", rule=rule))
            assert client.post(f"/api/v1/alerts/{other['alert']}/ack", json={}).json()["state"] == "acked"
    eventually(lambda: [a for a in cluster.alerts("board-2", state="acked") if a["alert"] == one["alert"]])
    with cluster.client("board-2") as client:
        shown = eventually(lambda: _with_events(client.get(f"/api/v1/alerts/{one['alert']}").json()))
        assert [t["type"] for t in shown["history"]] == ["opened", "acked"]
        assert shown["events"][0]["value"] == 12.5
        assert client.get("/readyz").status_code == 200
        heard = {feed["name"]: feed for feed in client.get("/api/v1/feeds").json()["items"]}
        assert (heard["sensor"]["accepted"], heard["complaint"]["accepted"]) == (3, 3)
        assert heard["sensor"]["newest_time"] > "2026"


def _with_events(alert: dict[str, Any]) -> dict[str, Any] | None:
    return alert if alert["events"] and len(alert["history"]) == 2 else None


def _all_there(alerts: list[dict[str, Any]]) -> set[tuple[str, str]] | None:
    found = {(a["rule"], a["subject"] or a["key"]["region"]) for a in alerts}
    return found if len(found) >= 5 else None


def test_everything_dies_once_and_nothing_is_missing(cluster: Cluster) -> None:
    """Each process is killed while readings come; every alert is on the board in the end, and a stream has each transition once."""
    told: dict[tuple[str, int], int] = {}
    sent = 0
    names = ["worker-1", "board-2", "store-transitions", "worker-2", "store-events", "door", "worker-1"]

    def post(count: int) -> None:
        nonlocal sent
        cluster.post("door", *(reading(f"站{sent + n}", 9.5) for n in range(count)))
        sent += count

    for name in names:
        post(20)
        part = cluster.parts[name]
        part.kill()
        if name != "door":
            post(20)
        part.start().wait()
    post(20)
    wanted = {f"站{n}" for n in range(sent)}
    for board in ("board-1", "board-2"):
        for rule in ("t.ph", "t.over"):
            eventually(
                lambda board=board, rule=rule: {a["subject"] for a in cluster.alerts(board, rule=rule)} == wanted,
                within_s=150,
            )
    with cluster.client("board-1") as client:
        headers = {"Authorization": client.headers["Authorization"]}
        address = str(client.base_url).replace("http", "ws", 1)
    newest = max(a["seq"] for a in cluster.alerts("board-1"))
    with connect(f"{address}/api/v1/alerts/stream?after=0", additional_headers=headers) as stream:
        while True:
            frame = json.loads(stream.recv(timeout=30))
            for transition in frame.get("transitions", []):
                told[transition["alert"], transition["n"]] = told.get((transition["alert"], transition["n"]), 0) + 1
            if any(t["seq"] >= newest for t in frame.get("transitions", [])):
                break
    assert set(told.values()) == {1}
    assert len([1 for _, n in told if n == 1]) == 2 * sent
