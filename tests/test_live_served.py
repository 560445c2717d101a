"""The whole system with its live state in Redis: ``live = redis://``."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from fengsui.cli import cli
from fengsui.doctor import findings, live_findings
from fengsui.settings import Settings, SettingsError, load_settings
from sinks.live.address import RedisAddress
from streams.log.sqlite import SqliteLog
from tests.redis_server import RedisServer, free_port, needs_redis, redis_server
from tests.running import running
from tests.served import RULES, Served, serving

pytestmark = needs_redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as running:
        yield running


def reasons(served: Served) -> dict[str, str]:
    answer = httpx.get(f"{served.url}/readyz")
    assert answer.status_code == 200, answer.text
    return {reason["part"]: reason["title"] for reason in answer.json()["reasons"]}


def live(served: Served) -> dict[str, Any]:
    return dict(served.client.get("/api/v1/live").json())


def subjects(served: Served) -> list[str]:
    return [one["subject"] for one in served.client.get("/api/v1/alerts", params={"rule": "t.ph"}).json()["items"]]


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [str(arg) for arg in args], standalone_mode=False)
    return (1 if result.exception else 0), (str(result.exception) if result.exception else result.output)


def test_the_system_goes_on_without_its_redis_and_returns(tmp_path: Path, server: RedisServer) -> None:
    """Alerts come and acts are shown all the while; /readyz stays 200 and says what is read instead, as does the summary."""
    with serving(tmp_path, live=f"{server.url}?prefix=a") as served:
        served.alarm("S1")
        served.until(lambda: live(served)["source"] == "redis")
        server.stop(signal.SIGKILL)
        alert = served.alarm("S2")
        acked = served.client.post(f"/api/v1/alerts/{alert}/ack", json={"note": "seen"})
        assert acked.json()["state"] == "acked"
        assert served.client.get(f"/api/v1/alerts/{alert}").json()["state"] == "acked"
        assert subjects(served) == ["S2", "S1"]
        served.until(lambda: "live" in reasons(served))
        assert reasons(served)["live"] == "Redis is not available: the board reads the log instead"
        problems = served.client.get("/api/v1/board/summary").json()["problems"]
        assert "Redis 不可用，已改读日志" in [problem["title"]["zh"] for problem in problems]
        assert "does not answer" in live(served)["error"]
        assert "fengsui_live_from_log 1.0" in served.client.get("/metrics").text
        server.start()
        served.until(lambda: live(served)["source"] == "redis", 30)
        served.alarm("S3")
        assert subjects(served) == ["S3", "S2", "S1"]
        served.until(lambda: not reasons(served), 30)
        assert "fengsui_live_from_log 0.0" in served.client.get("/metrics").text


def test_a_second_system_finds_its_state_and_a_rebuild_is_asked_of_it(tmp_path: Path, server: RedisServer) -> None:
    """Started again it has its alerts from Redis; `live rebuild` goes through it while it runs, and by itself while not."""
    url = f"{server.url}?prefix=a"
    with serving(tmp_path, live=url) as served:
        served.alarm("S1")
        served.until(lambda: live(served)["source"] == "redis")
    data = tmp_path / "data"
    code, told = run("live", "rebuild", "--data", data, "--live", url)
    assert code == 0, told
    assert "2 unresolved and 0 resolved" in told
    with serving(tmp_path, live=url) as served:
        assert subjects(served) == ["S1"]
        assert live(served)["source"] == "redis"
        (data / "address").write_text(served.url)
        build = live(served)
        code, told = run("live", "rebuild", "--data", data, "--live", url)
        assert code == 0, told
        assert "2 unresolved and 0 resolved" in told
        after = live(served)
        assert (build["rebuild"]["state"], after["rebuild"]["state"]) == ("idle", "done")
        assert subjects(served) == ["S1"]


def test_a_rebuild_without_a_redis_is_refused(tmp_path: Path) -> None:
    """It says which setting is missing, also where the running system keeps its own."""
    code, told = run("live", "rebuild", "--data", tmp_path / "data")
    assert code == 1
    assert "--live redis://HOST:PORT/DB" in told
    with serving(tmp_path) as served:
        (tmp_path / "data" / "address").write_text(served.url)
        code, told = run("live", "rebuild", "--data", tmp_path / "data", "--live", "redis://127.0.0.1:1/0")
        assert code == 1
        assert "in memory" in told
        assert served.client.post("/api/v1/live/rebuild").status_code == 404
        assert live(served)["source"] == "memory"


def told(address: Any, identity: str | None = None) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.text) for finding in live_findings(address, identity)]


def test_doctor_looks_at_the_redis(tmp_path: Path) -> None:
    """Refused, a wrong password, a policy that throws keys away, too little memory, another system's state."""
    with redis_server(tmp_path / "redis", password="hunter2") as server:
        address = server.address("d")
        assert [verdict for verdict, _ in told(address)] == ["ok", "ok"]
        with server.client() as client:
            client.config_set("maxmemory", "100mb")
            (verdict, text), _ = told(address)
            assert (verdict, "raise maxmemory" in text) == ("warn", True)
            client.config_set("maxmemory-policy", "allkeys-lru")
            (verdict, text), _ = told(address)
            assert (verdict, "noeviction" in text) == ("warn", True)
            client.hset("d:live", mapping={"identity": "other", "generation": "x", "format": "1"})
            verdict, text = told(address, "mine")[-1]
            assert (verdict, "another system" in text) == ("fail", True)
            assert told(address)[-1][0] == "fail"
        (verdict, text), *_ = told(RedisServer(tmp_path / "none").address())
        assert (verdict, "does not answer" in text) == ("fail", True)
        settings = Settings(data=tmp_path / "data", live=f"redis://:wrong@127.0.0.1:{server.port}/0")
        (found,) = [one for one in findings(settings) if one.what == "live"]
        assert (found.verdict, "FENGSUI_REDIS_PASSWORD" in found.text) == ("fail", True)
        code, output = run(
            "doctor", "--data", tmp_path / "data", "--live", f"redis://:hunter2@127.0.0.1:{server.port}/0"
        )
        assert "hunter2" not in output
        del code


def test_the_password_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    """And is shown nowhere: not by the settings, not in a fault."""
    made = load_settings({"live": "redis://h:1/2?prefix=p"}, environ={"FENGSUI_REDIS_PASSWORD": "hunter2"})
    assert made.live_address is not None
    assert made.live_address.password == "hunter2"
    assert "hunter2" not in repr(made) + str(made.redis_password) + str(made.live_address)
    file = tmp_path / "password"
    file.write_text("hunter3\n")
    made = load_settings({"live": "rediss://h/0", "redis_password_file": file}, environ={})
    assert made.live_address is not None
    assert (made.live_address.password, made.live_address.tls) == ("hunter3", True)
    assert load_settings({}, environ={}).live_address is None
    with pytest.raises(SettingsError) as caught:
        load_settings({"live": "redis://:hunter2@h:port/0"}, environ={})
    assert "hunter2" not in str(caught.value)


def test_a_log_restored_from_a_backup_takes_redis_back_with_it(tmp_path: Path, server: RedisServer) -> None:
    """What Redis knows beyond the log's end never was: it is built again."""
    url = f"{server.url}?prefix=a"
    with serving(tmp_path, live=url) as served:
        served.alarm("S1")
        served.until(lambda: live(served)["source"] == "redis")
    with SqliteLog(tmp_path / "data" / "log" / "transitions.sqlite", read_only=True) as log:
        newest = log.newest
    with server.client() as client:
        build = client.hget("a:live", "generation").decode()
        client.hset(f"a:live:{build}:meta", "position", newest + 1_000)
    with serving(tmp_path, live=url) as served:
        served.until(lambda: live(served)["source"] == "redis" and live(served)["seq"] == newest)
        served.alarm("S2", id="second")
        assert subjects(served) == ["S2", "S1"]


def test_up_and_doctor_over_tls(tmp_path: Path) -> None:
    """As a person starts it: the address with its authority, the password from a variable; the link signs in; no password shows."""
    certificate, key = _certificate(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
    with redis_server(tmp_path / "redis", password="hunter2") as plain:
        tls_port = free_port()
        with plain.client() as client:
            for name, value in (
                ("tls-cert-file", certificate),
                ("tls-key-file", key),
                ("tls-ca-cert-file", certificate),
                ("tls-auth-clients", "no"),
                ("tls-port", tls_port),
            ):
                client.config_set(name, str(value))
        url = f"rediss://:hunter2@localhost:{tls_port}/0?prefix=tls"
        (verdict, text), *_ = told(RedisAddress.parse(url))
        assert (verdict, "not trusted" in text) == ("fail", True)
        (verdict, text), *_ = told(RedisAddress.parse(f"redis://:hunter2@localhost:{tls_port}/0"))
        assert verdict == "fail"
        url += f"&ca={certificate}"
        with running("up", tmp_path / "data", "--rules", tmp_path / "rules", "--live", url) as up, up.client() as asked:
            assert asked.get("/api/v1/live").json()["source"] == "redis"
            with httpx.Client(base_url=up.address) as browser:
                assert browser.get(up.link.removeprefix(up.address)).headers["location"] == "/"
                assert browser.get("/api/v1/me").json()["via"] == "session"
            code, output = run("doctor", "--data", tmp_path / "data", "--rules", tmp_path / "rules", "--live", url)
            assert code == 0, output
            assert "alerts at position" in output
            assert "hunter2" not in output
            assert up.stop() == 0
        assert "hunter2" not in (tmp_path / "data.err").read_text()


def _certificate(directory: Path) -> tuple[Path, Path]:
    """For localhost, by its own authority."""
    certificate, key = directory / "redis.pem", directory / "redis.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
