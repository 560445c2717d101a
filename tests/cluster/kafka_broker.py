"""A real Apache Kafka for tests: one process that is broker and controller, on loopback, with its data in a directory of its own."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent.parent
LIBS = ROOT / ".kafka" / "libs"

START_S = 90.0
USER, PASSWORD = "fengsui", "not-a-secret"
#: Small and quick to start: a test's broker lives for seconds.
_JVM = ["-Xmx512m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]
_READY = "Kafka Server started"


def available() -> bool:
    """Have the jars been fetched?"""
    return LIBS.is_dir() and any(LIBS.glob("kafka_*.jar"))


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class KafkaBroker:
    """``start`` and ``stop`` it as often as wanted: data and ports stay. ``secure`` opens listeners with TLS and a sign-in, too."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1", secure: bool = False) -> None:
        self.directory = directory
        self.host = host
        self.port, self.tls_port, self.sasl_port, self._controller_port = (free_port(host) for _ in range(4))
        self._secure = secure
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "broker.log"
        self._properties = directory / "server.properties"
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate that the TLS listener's is its own CA of."""
        return self.directory / "ca.pem"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, name: str, **parameters: str) -> str:
        """The log's address of a cluster on this broker."""
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        return f"kafka://{self.bootstrap}/{name}" + (f"?{query}" if query else "")

    def start(self) -> Self:
        """Starts it on its data and waits until it is ready."""
        assert self._process is None, "it runs already"
        if not self._properties.exists():
            self._format()
        begun = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while True:
            said = self._said(begun)
            if _READY in said:
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"Kafka did not start:\n{said[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """An orderly end. May be called twice."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It stands still, and its connections stay open: a broker that answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _said(self, begun: int) -> str:
        with self._log.open("rb") as log:
            log.seek(begun)
            return log.read().decode("utf-8", "replace")

    def _java(self, main: str, *arguments: str) -> list[str]:
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"
        return ["java", *_JVM, level, "-cp", f"{LIBS}/*", main, *arguments]

    def _format(self) -> None:
        settings = self._settings()
        if self._secure:
            self._make_certificate()
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # An id must not begin with what looks like an option.
        done = subprocess.run(
            self._java(
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                f"--cluster-id=K{cluster[1:]}",
                "--config",
                str(self._properties),
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _settings(self) -> dict[str, str]:
        listeners = {"PLAINTEXT": self.port, "CONTROLLER": self._controller_port}
        if self._secure:
            listeners |= {"SSL": self.tls_port, "SASL_PLAINTEXT": self.sasl_port}
        spoken = {"CONTROLLER": "PLAINTEXT"} | {name: name for name in listeners if name != "CONTROLLER"}
        addresses = {name: f"{name}://{self.host}:{port}" for name, port in listeners.items()}
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{self.host}:{self._controller_port}",
            "listeners": ",".join(addresses.values()),
            "advertised.listeners": ",".join(text for name, text in addresses.items() if name != "CONTROLLER"),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in spoken.items()),
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": str(16 << 20),
            "num.network.threads": "2",
            "num.io.threads": "4",
            # After a kill the next start waits until this has run out.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            # Without another broker there is nobody to hand over to.
            "controlled.shutdown.enable": "false",
        }
        if self._secure:
            settings |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.directory / "broker.pem"),
                "sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                    "org.apache.kafka.common.security.plain.PlainLoginModule required "
                    f'username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
                ),
            }
        return settings

    def _make_certificate(self) -> None:
        key = self.directory / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)),
                *(
                    "-out",
                    str(self.ca),
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    f"subjectAltName=IP:{self.host},DNS:localhost",
                ),
            ],
            check=True,
            capture_output=True,
        )
        (self.directory / "broker.pem").write_text(key.read_text() + self.ca.read_text())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
