"""The whole system behind a real web server on a free port, for tests of the API."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from websockets.sync.client import ClientConnection, connect

from dashboards.server.app import create_app
from dashboards.server.auth import Auth
from dashboards.server.serve import uvicorn_config
from fengsui.settings import Settings
from fengsui.system import System

RULES = """
rules:
  - id: t.ph
    title: {zh: 酸碱度过高, en: pH too high}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: {red: value > 12, orange: true}
    max_open: 100000    # many alerts at once are part of the play
    summary: {zh: "{subject} pH {value:.1f}", en: "{subject} pH {value:.1f}"}
  - id: t.food
    title: {zh: 食品安全投诉, en: Food complaint}
    domain: market
    feed: complaint
    by: [region]
    where: category = '食品安全'
    when: region IS NOT NULL
    severity: yellow
  - id: t.shadow
    title: {zh: 试运行, en: On trial}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: blue
    enabled: shadow
    max_open: 100000
"""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Served:
    """A running system. ``client`` holds the administrator's token."""

    def __init__(self, system: System, auth: Auth, port: int, app: Any) -> None:
        self.system = system
        self.auth = auth
        self.port = port
        self.app = app
        self.url = f"http://127.0.0.1:{port}"
        self.token = {"Authorization": f"Bearer {auth.token.value}"}
        self.client = httpx.Client(base_url=self.url, headers=self.token, timeout=20)
        self._numbers = iter(range(1_000_000))

    def event(self, **fields: object) -> dict[str, Any]:
        """A sensor reading that no rule minds, with what is given in its place."""
        made = {"id": f"e{next(self._numbers)}", "feed": "sensor", "source": "test", "time": wall_ms()}
        return {**made, "subject": "S0", "metric": "w01001", "value": 7.0, "region": "530102", **fields}

    def post(self, *events: dict[str, Any]) -> httpx.Response:
        body = "\n".join(json.dumps(event, ensure_ascii=False) for event in events)
        return self.client.post("/api/v1/events", content=body.encode())

    def alarm(self, subject: str, value: float = 9.5, **fields: object) -> str:
        """Makes a reading too high; the id of the alert that it opens."""
        assert self.post(self.event(subject=subject, value=value, **fields)).json()["accepted"] == 1
        found = self.until(
            lambda: self.client.get("/api/v1/alerts", params={"subject": subject, "rule": "t.ph"}).json()["items"]
        )
        return str(found[0]["alert"])

    def stored(self) -> None:
        """Waits until the store has everything that the logs have."""
        assert self.system.runner.wait_for(self.system.event_log.newest, 20)
        for sink in self.system.sinks:
            log = (
                self.system.transition_log
                if sink.name in ("sink-live", "sink-store-transitions")
                else self.system.event_log
            )
            if sink.name != "sink-store-dead":
                assert sink.wait_for(log.newest, 20), sink.state

    def until(self, ask: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Asks until the answer is true."""
        deadline_s = time.monotonic() + timeout_s
        while not (answer := ask()):
            assert time.monotonic() < deadline_s, "it did not come"
            time.sleep(0.02)
        return answer

    @contextmanager
    def stream(self, query: str = "", **options: Any) -> Iterator[ClientConnection]:
        with connect(
            f"ws://127.0.0.1:{self.port}/api/v1/alerts/stream{query}",
            additional_headers=options.pop("headers", self.token),
            **options,
        ) as websocket:
            yield websocket


@contextmanager
def serving(directory: Path, *, rules: str = RULES, board: Path | None = None, **others: Any) -> Iterator[Served]:
    """A system with these rules over a directory, until the block ends."""
    (directory / "rules").mkdir(parents=True, exist_ok=True)
    (directory / "rules" / "rules.yaml").write_text(rules, encoding="utf-8")
    settings = Settings(data=directory / "data", rules=directory / "rules", **others)
    with System.open(settings, wall_ms) as system:
        auth = Auth(settings.data, wall_ms, shared=system.shared())
        services = system.services(auth, version="test")
        if board is not None:
            services = replace(services, board=board)
        app = create_app(services)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            served = Served(system, auth, listener.getsockname()[1], app)
            with served.client:
                yield served
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
