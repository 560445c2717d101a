"""The whole system with its history on a server: ``store = http://``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from sinks.store.store import Store
from tests.cluster.clickhouse import ClickHouse
from tests.served import Served, serving


def troubles(served: Served) -> dict[str, dict[str, Any]]:
    problems = served.client.get("/api/v1/board/summary").json()["problems"]
    return {problem["part"]: problem for problem in problems}


def held(served: Served) -> float:
    """Batches in the spools, by the metrics."""
    text = served.client.get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("fengsui_spool_batches{"))


def test_the_system_starts_and_judges_without_its_store_and_fills_it_later(tmp_path: Path) -> None:
    """The server is down at the start, comes, is killed and comes again; alerts open all the while, history has each row once."""
    with ClickHouse(tmp_path / "server") as server:
        server.kill()
        with serving(tmp_path, store=server.url) as served:
            served.alarm("S1")
            served.until(lambda: held(served) > 0)
            served.until(lambda: "sink:store-events" in troubles(served))
            trouble = troubles(served)["sink:store-events"]
            assert trouble["level"] == "behind"
            assert "kept on the disk" in trouble["title"]["en"]
            assert httpx.get(f"{served.url}/readyz").status_code == 200
            server.start()
            served.until(lambda: held(served) == 0, 60)
            served.until(lambda: not any(part.startswith("sink:") for part in troubles(served)), 30)
            served.alarm("S2")
            served.until(lambda: _rows(server) == 2)
            server.kill()
            served.alarm("S3")
            served.until(lambda: held(served) > 0)
        # The system ends with some of it on its disk, and begins again with the server there.
        server.start()
        with serving(tmp_path, store=server.url) as served:
            served.until(lambda: held(served) == 0 and _rows(server) == 3, 60)
            found = served.client.get("/api/v1/events", params={"subject": "S3"}).json()["items"]
            assert [one["subject"] for one in found] == ["S3"]
            with Store.open(server.url) as store:
                assert len(store.alerts().items) >= 3


def _rows(server: ClickHouse) -> int:
    """Rows of events with a subject; minus one for each row too many at a place of the log."""
    with Store.open(server.url) as store, store._connections.reader() as client:
        count, places = client.query("SELECT count(), uniqExact(partition, pos) FROM events").result_rows[0]
    return int(places) - 1000 * int(count - places)
